"""What the summary's column `verified` may say, what each value means, and what to do; `docs/results.md` is made from it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class VerifiedValue:
    """One value of `verified`, or what may follow a value after a comma."""

    value: str  # as a person reads it; N stands for a number
    meaning: str
    what_to_do: str


VERIFIED_VALUES = (
    VerifiedValue("yes", "The table equals Harvest.", "Nothing."),
    VerifiedValue(
        "repaired N",
        "N rows were missing, different or deleted at Harvest. They are right now, and the table equals Harvest.",
        "Nothing. Look into it if the same report is repaired every day.",
    ),
    VerifiedValue(
        "read today",
        "Harvest has no count of these rows to compare with. Every row was read within the last 24 hours.",
        "Nothing. `verify` reads all of them now.",
    ),
    VerifiedValue(
        "read N days ago",
        "Harvest has no count of these rows to compare with. Every row was read at most N days ago.",
        "Nothing. `verify` reads all of them now.",
    ),
    VerifiedValue(
        "as read",
        "One of [Harvest's own reports](reports.md): each span has the rows that Harvest answered when it was last asked for.",
        "Nothing. `verify` asks for every span now.",
    ),
    VerifiedValue(
        "part",
        "The run was asked for some dates only (`--since`, `--days-back`), and only these were compared.",
        "Nothing. A run without these options compares the whole table.",
    ),
    VerifiedValue(
        "module off",
        "The module (invoices, estimates, expenses, paid time off) is switched off at Harvest, so the report was not asked for.",
        "Nothing. Leave the report out with `--exclude` if you do not want the line.",
    ),
    VerifiedValue(
        "passed over",
        "Harvest refuses this table of paid time off to the token's user (403 or 404), and not the whole module. What was loaded "
        "before stays.",
        "Nothing. Leave the report out with `--exclude` if you do not want the line.",
    ),
    VerifiedValue(
        "not compared",
        "`deleted_rows` is `ignore`.",
        "Set `deleted_rows` to `remove` or `keep` to have tables compared.",
    ),
    VerifiedValue(
        "no",
        "The report is loaded, but its table does not equal Harvest, or could not be compared. The reason is below the summary.",
        "Read the reason. If it asks for nothing, the next run looks again.",
    ),
    VerifiedValue(
        "FAILED",
        "The report could not be read or loaded; its table stays as it was. The reason is below the summary.",
        "Read the reason. If it asks for nothing, the next run tries again.",
    ),
    VerifiedValue(
        "…, only rows of NAME",
        "The token belongs to NAME, who sees only some of the rows at Harvest. The table has these rows and no others. Of a "
        "manager it says `only rows that NAME, a manager, sees`.",
        "Use an administrator's token if you need all rows.",
    ),
    VerifiedValue(
        "…, N invoices not seen",
        "Harvest has these rows but does not show them to this token. What is loaded of them stays as it is.",
        "Use a token that may read them if you need them up to date.",
    ),
    VerifiedValue(
        "…, N older rows not followed",
        "`start_date` was set or moved forward. N rows from before it stay as they were then.",
        "Remove `start_date` if you want them followed.",
    ),
)
