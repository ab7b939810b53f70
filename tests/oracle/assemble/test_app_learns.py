"""A process takes in what others sealed without it, also after newer rounds, and goes on as if it had been there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from feeds.units import MS, Wad
from oracle.agree.outcome import RoundOutcome
from oracle.app import App
from oracle.audit.recompute import verify
from oracle.build import build
from oracle.sign.eip712 import address_of
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from tests.oracle.assemble.keyed_config import ENVIRON, FEED, KEY, hear, keyed_config, seat_at
from tests.oracle.network.agreement_world import agreements_here, ask_of
from tests.oracle.report.reports import report


async def sealed_elsewhere(folder: Path, round_s: int) -> RoundOutcome:
    """By the same set, in another process."""
    journal = SignJournal(folder / "elsewhere.db", address_of(KEY), now_ms=0, mute_ms=0, newborn=True)
    seen = replace(report("2000"), round_time_s=round_s, redemption_wad=Wad(0), redemption_age_h=0)
    agreements = agreements_here([Operator("a", KEY, journal, bound_bps=100)], now_ms=lambda: round_s * MS)
    outcome = await agreements.agree(ask_of(seat_at("home").signers, round_s, {"a": {0: seen}}, feeds={FEED: 0}))
    journal.close()
    return outcome


@pytest.mark.parametrize("newer", [False, True])
async def test_a_missed_round_is_stored_and_the_next_ones_recompute(tmp_path: Path, newer: bool) -> None:
    """It is learned before the next round is made, or after that one was sealed."""
    components = build(keyed_config(tmp_path), environ=ENVIRON)
    try:
        app = App(components)
        first_s = app.clock.now_ms() // MS - 60
        hear(app, first_s * MS)
        missed = await app.round(first_s)
        assert missed.records == ()
        target = app.targets["home"]
        target.offer(missed)
        app.rounds.take_seat(seat_at("home"))
        outcome = await sealed_elsewhere(tmp_path, first_s)
        for round_s in (first_s + 10, first_s + 20, first_s + 30):
            if newer is (round_s > first_s + 10) and app.database.record(FEED, first_s) is None:
                components.agreements.sealed.on_learned(outcome)
                components.agreements.sealed.on_learned(outcome)
                assert target.newest is not None
                offered = target.newest.outcomes.get("home")
                assert offered is not None
                assert offered.terms.round_time_s == (first_s + 10 if newer else first_s), (
                    "the newest round, and no older one"
                )
            hear(app, round_s * MS)
            done = await app.round(round_s)
            app.service.publish(done)
            target.offer(done)
        kept = app.database.history(FEED, 0, 1 << 45, 10)
        assert [r.report.round_time_s for r in kept] == [first_s + 10 * n for n in range(4)]
        shown = app.service.record(FEED)
        assert shown is not None
        assert shown.report.round_time_s == first_s + 30
        for round_s in (r.report.round_time_s for r in kept):
            checks = list(verify(app.database, FEED, round_s))
            assert all(c.ok for c in checks), (round_s, [c for c in checks if not c.ok])
    finally:
        await components.close()
