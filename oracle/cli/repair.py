"""Commands that repair what a fault of the machine has left behind."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import click

from oracle.cli.shell import Exit, ExitCode, checked_config, print_result

_FIRST_S = 1_000_000_000
"""In the year 2001; a smaller number is a date without its dashes, or not a time at all."""
_LAST_S = 253_402_300_799
"""The end of the year 9999, the last time that can be formatted."""
_DIGITS = 20


def _round_or_time(_: click.Context, __: click.Parameter, text: str) -> int:
    """A round_time, or a UTC time as in the log."""
    advice = f"{text!r}: write Unix seconds, or a time such as 2026-01-31T12:00:00Z"
    if text.isascii() and text.isdigit():
        at_s = int(text[:_DIGITS])
    else:
        try:
            at = datetime.fromisoformat(text)
            at_s = int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
        except (ValueError, OverflowError):
            raise click.BadParameter(advice) from None
    if not _FIRST_S <= at_s <= _LAST_S:
        raise click.BadParameter(f"{advice}; no round is of that time")
    return at_s


@click.command()
@click.option(
    "--after", "after_s", required=True, metavar="ROUND|TIME", callback=_round_or_time,
    help="The last round that is good: Unix seconds, or a UTC time.",
)  # fmt: skip
@click.option(
    "--why",
    default="a clock was ahead when they were made",
    show_default=True,
    help="The reason that is kept with them.",
)
@click.option("--all", "whole", is_flag=True, help="Withdraw them even where no round would be left.")
@click.option("--yes", is_flag=True, help="Withdraw them; without it they are only listed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def disown(config_path: Path, after_s: int, why: str, whole: bool, yes: bool, as_json: bool) -> None:
    """Withdraw all stored rounds after a time: rounds go on from the last good one, and what was published stays on record.

    Refused while a process runs on the database.
    """
    from oracle.audit.disown import disown as withdraw
    from oracle.audit.disown import disowning, stamp
    from oracle.runtime.clock import now_ms
    from oracle.sign.key_lock import sole_writer
    from oracle.storage.database import Database

    path = Path(checked_config(config_path).config.oracle.database)
    if not path.is_file():
        raise Exit(f"no database at {path}: there is nothing to disown", ExitCode.ABSTAINED)
    with sole_writer(path), closing(Database(path)) as database:
        plan = disowning(database, after_s)
        if not plan.losses:
            raise Exit(f"no round after {after_s} ({stamp(after_s)}) is stored", ExitCode.USAGE)
        if plan.first_s > after_s and not whole:
            text = f"nothing would be left after {after_s} ({stamp(after_s)}): the first round is of {stamp(plan.first_s)};"
            raise Exit(f"{text} add --all if none of them is good", ExitCode.USAGE)
        if yes:
            withdraw(database, plan, now_ms(), why)
    outcome = "withdrawn" if yes else "nothing is changed yet: add --yes to withdraw them"
    print_result(as_json, plan.document(done=yes), [*plan.lines(), outcome])


COMMANDS = (disown,)
