"""Operators that run go over to other rules at an announced round, each by itself; one that stays behind is told apart."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from demo.fleet.fleet import Fleet, FleetPlan, running_fleet
from demo.fleet.fleet_run import market_of, until_sealing
from demo.fleet.fleet_summary import fleet_ledger
from demo.fleet.ledger import newest_records
from demo.fleet.rounds_of import next_round_s, until_sealed
from oracle.config import sections
from oracle.config.resolve import resolve
from oracle.model.publication import Absent, Record

PATIENCE_S, BEHIND, LEAD_S = 300, "delta", 30
pytestmark = [pytest.mark.e2e, pytest.mark.chain]


def give_next_rules(fleet: Fleet, from_s: int) -> None:
    """All but one name the next config: the same feeds, of which one is watched a little later."""
    at = datetime.fromtimestamp(from_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for operator in fleet.operators.values():
        if operator.name == BEHIND:
            continue
        text = operator.config.read_text(encoding="utf-8")
        after = text.replace("watch_bps = 100", "watch_bps = 110")
        assert after != text
        operator.config.with_name("next.toml").write_text(after, encoding="utf-8")
        named = text.replace("\n[network]\n", f'\n[network]\nnext = "next.toml"\nnext_from = "{at}"\n')
        assert named != text
        operator.config.write_text(named, encoding="utf-8")
        resolve(sections.load(operator.config))


async def test_rules_change_at_a_round_without_losing_one_and_who_stays_behind_is_seen(tmp_path: Path) -> None:
    async with running_fleet(tmp_path, FleetPlan(operators=4, threshold=3, interval_s=6)) as fleet, market_of(fleet):
        await fleet.start()
        await until_sealing(fleet, PATIENCE_S)
        first_s = next_round_s(fleet)
        from_s = first_s + LEAD_S // fleet.interval_s * fleet.interval_s
        give_next_rules(fleet, from_s)
        for operator in fleet.operators.values():
            operator.reload()
        async with asyncio.timeout(PATIENCE_S):
            for name in fleet.operators:
                if name != BEHIND:
                    await until_sealed(fleet, name, from_s + 2 * fleet.interval_s)
        ledger = fleet_ledger(fleet, range(first_s, from_s + 2 * fleet.interval_s + 1, fleet.interval_s))
        missing = {a.operator: a.why for r in newest_records(fleet.operators["alpha"].database) for a in absent(r)}
    assert dict(ledger.lost) == {}
    assert ledger.forks == []
    assert min(ledger.sealed) < from_s < max(ledger.sealed)
    assert missing == {BEHIND: "it goes by other rules or feeds: compare `lrt-oracle check` on both sides"}


def absent(record: Record) -> tuple[Absent, ...]:
    return record.seal.missing if record.seal is not None else ()
