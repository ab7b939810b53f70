"""What bringing a database up to date would do, found out without changing it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from oracle.model.canonical_json import Undecodable
from oracle.model.status import Status
from oracle.storage.carried import carried_state
from oracle.storage.migrations.migrate import pending, schema_of
from oracle.storage.migrations.migration import Migration


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedUpgrade:
    """A feed whose last round was made by other rules. ``anew``: what of its state begins anew, in words."""

    operator: str
    feed: str
    made_by: int
    anew: tuple[str, ...]
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradePlan:
    """The schema of a file, the steps that it lacks, and the feeds that other rules have left behind in it."""

    schema: int
    steps: tuple[Migration, ...]
    feeds: tuple[FeedUpgrade, ...]

    @property
    def copies(self) -> bool:
        """Whether the file is copied first."""
        return any(step.rewrites for step in self.steps)


def upgrade_plan(path: Path) -> UpgradePlan:
    """What there is to do.

    Raises:
        NewerDatabase: a later version has written it.
        OtherRules: later rules have made some of its rounds.
    """
    with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)) as connection:
        steps = tuple(pending(connection, path))
        rows = connection.execute("SELECT operator, feed, body FROM states ORDER BY operator, feed").fetchall()
        return UpgradePlan(
            schema=schema_of(connection),
            steps=steps,
            feeds=tuple(f for row in rows if (f := _feed(*row)) is not None),
        )


def _feed(operator: str, feed: str, body: bytes) -> FeedUpgrade | None:
    try:
        carried = carried_state(body)
    except Undecodable:
        return None
    if not carried.is_of_other_rules:
        return None
    status = carried.state.judge.status
    return FeedUpgrade(operator=operator, feed=feed, made_by=carried.made_by, anew=carried.anew, status=status)
