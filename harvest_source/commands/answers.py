"""What the demo shows at its end: a few answers from the data."""

from __future__ import annotations

from harvest_source.commands.output import print_table, stdout_console
from harvest_source.commands.show import query
from harvest_source.commands.workplace import Workplace

ANSWERS = {
    "Which clients take the most hours?": """
        select client__name as client, sum(hours) as hours, sum(case when billable then hours else 0 end) as billable_hours
        from time_entries group by client__name order by hours desc limit 5""",
    "What is invoiced and not yet paid, per currency?": """
        select currency, count(*) as invoices, sum(amount) as invoiced, sum(due_amount) as due
        from invoices where state = 'open' group by currency order by currency""",
    "Who has a timer running?": """
        select user__name as person, project__name as project, task__name as task, hours
        from time_entries where is_running order by hours desc""",
}


def print_answers(place: Workplace) -> None:
    """Prints the answers."""
    for question, answer in zip(ANSWERS, query(place, *ANSWERS.values()), strict=True):
        stdout_console().print()
        print_table(*answer, title=question)
