"""Command that brings the files of an operator up to date, or says what that would do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oracle.cli.shell import checked_config, print_result

if TYPE_CHECKING:
    from oracle.storage.upgrading import UpgradePlan


@click.command()
@click.option("--dry", is_flag=True, help="Change nothing; say what would be done.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def upgrade(config_path: Path, dry: bool, as_json: bool) -> None:
    """Bring the database up to date for this version, as the next start would. Refused while a process runs on it."""
    from oracle.sign.key_lock import sole_writer
    from oracle.storage.database import Database
    from oracle.storage.upgrading import upgrade_plan

    path = Path(checked_config(config_path).config.oracle.database)
    if not path.is_file():
        rows = [f"no database at {path} yet: there is nothing to bring up to date, the first start makes it"]
        print_result(as_json, _document(path, None, done=not dry), rows)
        return
    if dry:
        plan = upgrade_plan(path)
    else:
        with sole_writer(path):
            plan = upgrade_plan(path)
            Database(path).close()
    print_result(as_json, _document(path, plan, done=not dry), _lines(path, plan, done=not dry))


def _document(path: Path, plan: UpgradePlan | None, *, done: bool) -> dict[str, Any]:
    from oracle.model.spec import RULES_VERSION
    from oracle.storage.migrations.steps import NEWEST

    return {
        "database": str(path),
        "schema": None if plan is None else plan.schema,
        "newest": NEWEST,
        "steps": [{"schema": s.number, "name": s.name, "rewrites": s.rewrites} for s in (plan.steps if plan else ())],
        "copies": plan is not None and plan.copies,
        "rules": RULES_VERSION,
        "feeds": [
            {"operator": f.operator, "feed": f.feed, "made_by": f.made_by, "begins_anew": list(f.anew), "status": f.status.word}
            for f in (plan.feeds if plan else ())
        ],
        "done": done,
    }  # fmt: skip


def _lines(path: Path, plan: UpgradePlan, *, done: bool) -> list[str]:
    from oracle.model.spec import RULES_VERSION
    from oracle.storage.migrations.steps import NEWEST

    rows = [f"database {path}: schema {plan.schema}, this version's is {NEWEST}"]
    rows += [
        f"step     {s.number}: {s.name}" + (", after a copy of the file" if s.rewrites else "") for s in plan.steps
    ]
    for feed in plan.feeds:
        anew = f"begins anew: {', '.join(feed.anew)}" if feed.anew else "all of its state is carried over"
        text = f"made by rules {feed.made_by}, goes on by rules {RULES_VERSION} in status {feed.status.word}; {anew}"
        rows.append(f"feed     {feed.feed} of {feed.operator}: {text}")
    if not plan.steps:
        return [*rows, "up to date"]
    return [*rows, "done" if done else "nothing is changed yet: run it without --dry, or start the oracle"]


COMMANDS = (upgrade,)
