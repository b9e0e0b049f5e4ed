"""Made-up names and texts."""

from __future__ import annotations

PEOPLE = (
    ("Zoë", "Martin"),
    ("Łukasz", "Wójcik"),
    ("李", "娜"),
    ("Ñandú", "Peña"),
    ("Ελένη", "Παππά"),
    ("عمر", "حداد"),
    ("Søren", "Ågren"),
    ("Siobhán", "O'Brien"),
    ("Jürgen", "Groß"),
    ("Дарья", "Иванова"),
    ("Chloé", "Lefèvre"),
    ("Tomás", "García"),
    ("さくら", "田中"),
    ("Nguyễn", "Thị Hoa"),
    ("Ana", "Đurić"),
)
ZONES = (
    "Berlin",
    "Warsaw",
    "Beijing",
    "Madrid",
    "Athens",
    "Cairo",
    "Eastern Time (US & Canada)",
    "Dublin",
)
ROLES = ("Designer", "Developer", "Project Manager", "Stratège")
AGENCIES = ("Atelier Nordlicht", "Studio Río", "Kōbō 工房", "Werkstatt Süd", "Harbour & Finch")
# Name, currency. The currency's factor on hourly rates is below.
CLIENTS = (
    ("Käse & Söhne GmbH", "EUR"),
    ("Bluebird Analytics, Inc.", "USD"),
    ("Thistle & Thyme Ltd", "GBP"),
    ("さくら商事", "JPY"),
    ("Intern", "EUR"),
    ("Zürcher Velowerke AG", "CHF"),
    ("Żabka Książki", "PLN"),
    ("Café Ñandú S.L.", "EUR"),
    ("Óptica Ícaro", "USD"),
    ("Αθηνά Εκδόσεις", "EUR"),
    ('"Quoted", Comma & Co', "USD"),
    ("Smørrebrød ApS", "DKK"),
)
FACTORS = {"EUR": 1.0, "USD": 1.1, "GBP": 0.86, "JPY": 160.0, "CHF": 0.95, "PLN": 4.3, "DKK": 7.45}
TASKS = (
    ("Design", True, 95.0),
    ("Development", True, 110.0),
    ("Project Management", True, 102.5),
    ("Recherche & Stratégie", True, 120),
    ("QA 测试", True, 80.3333),
    ("Meetings", False, None),
    ("Flash (retired)", True, 70),
)
PROJECTS = (
    "Website relaunch",
    "Brand identity",
    "Data warehouse",
    "モバイルアプリ",
    "Internal",
    "Campaign “Été”",
    "Care retainer",
    "Magazine archive",
    "Booking portal",
    "Annual report",
    "Packaging Ø",
    "Onboarding film",
)
NOTES = (
    None,
    "",
    "Kick-off 🚀",
    "Sketches, second round",
    "Fixed the «export» bug",
    "Überarbeitung der Startseite",
    "客户会议",
    "Line one\r\nLine two",
    'Said "done"; it was, nearly',
    "Refactoring 👩‍💻",
    "Ревью макетов",
    "Call with client\tre: scope",
    "مراجعة التصميم",
    "Deployed to staging ✅",
)
CATEGORIES = (
    ("Mileage", "km", 0.535),
    ("Meals", None, None),
    ("Lodging", "night", 120),
    ("Software", None, None),
    ("Fax (retired)", "page", 0.1),
)
FIRST_CONTACTS = ("María", "Jan", "Yūko", "Björn", "Fatima", "Owen", "Ağça", "Noor")
LAST_CONTACTS = ("Ibáñez", "Dvořák", "伊藤", "Öström", "Ziani", "Hughes", "", "Visser")
