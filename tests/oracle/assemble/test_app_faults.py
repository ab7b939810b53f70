"""A fault of this program costs what it is in, one store's round or one feed's indication, and takes nothing else along."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from feeds.units import MS, Bps
from oracle.agree.terms import Terms
from oracle.app import App
from oracle.audit.recompute import verify_fold
from oracle.build import build
from oracle.model.spec import FeedSpec
from oracle.model.state import FeedState
from oracle.network.seats import LocalMember, Utterance
from oracle.report.wire import decode_items
from oracle.round.live import Live
from oracle.sign.messages import SignedValues
from tests.oracle.assemble.keyed_config import ENVIRON, FEED, hear, keyed_config, seat_at
from tests.oracle.oracle_build import T0
from tests.oracle.round.round_world import SPECS, observed

NO_INDEX = 1 << 16
"""Fits no item: no store has it, and no code expects it."""


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    """A process whose tasks do not run."""
    components = build(keyed_config(tmp_path), environ=ENVIRON)
    yield App(components)
    await components.close()


@pytest.mark.parametrize(("broken", "sealed"), [("other", True), ("home", False)])
async def test_a_fault_in_one_store_s_round_costs_that_round_alone(app: App, broken: str, sealed: bool) -> None:
    for name in ("home", "other"):
        app.rounds.take_seat(seat_at(name, NO_INDEX if name == broken else 0))
    now_s = app.clock.now_ms() // MS
    hear(app, now_s * MS)
    done = await app.round(now_s)
    (whole,) = {"home", "other"} - {broken}
    assert done.outcomes[whole].sealed is not None
    assert done.outcomes[broken].sealed is None
    assert done.outcomes[broken].why.startswith("a fault of this program: OverflowError")
    assert [a.target for a in done.agreements] == [whole]
    assert [r.feed for r in done.records] == ([FEED] if sealed else [])
    if not sealed:
        assert done.missing[FEED] == done.outcomes[broken].why, "what is missing says so"


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoTongued(LocalMember):
    """Says two values in each round: there is evidence to be kept."""

    def utter(self, terms: Terms, said: Utterance) -> Sequence[tuple[Utterance, frozenset[bytes] | None]]:
        if not isinstance(said, SignedValues):
            return [(said, None)]
        other = replace(decode_items(said.items, said.round_time_s)[0], spread_bps=Bps(99))
        second = self.operator.sign_values(terms.signers, said.round_time_s, {0: other}, terms.binding)
        return [(said, None), (second, None)]


async def test_what_is_stored_is_known_to_the_next_round_though_what_comes_after_it_fails(tmp_path: Path) -> None:
    """The file takes the round and not the evidence that follows: the next round goes on from this one, and recomputes."""
    components = build(keyed_config(tmp_path), environ=ENVIRON, member=lambda o: TwoTongued(operator=o))
    try:
        app = App(components)
        app.rounds.take_seat(seat_at("home"))
        app.database.connection.execute("DROP TABLE evidence")
        first_s = app.clock.now_ms() // MS
        for round_s in (first_s, first_s + 10):
            hear(app, round_s * MS)
            done = await app.round(round_s)
            assert app.last_round_s == round_s
        assert done.outcomes["home"].refusals, "the control: it was found, and the operator is mute since"
        assert verify_fold(app.database, "a", FEED, first_s + 10).ok
    finally:
        await components.close()


def test_a_fault_in_one_feed_costs_its_indication_alone() -> None:
    """Its method is none: whatever computes with it fails. The others have theirs, and it is told."""
    broken: dict[str, FeedSpec] = {**SPECS, FEED: replace(SPECS[FEED], method="none")}
    held = observed(T0)
    told: list[tuple[str, str]] = []
    live = Live(broken, lambda _: FeedState(), lambda f, *_: held[f])
    live.on_fault = lambda feed, error: told.append((feed, type(error).__name__))
    assert [r.feed for r in live.refresh(broken, T0)] == ["wdivETH/ETH"]
    assert told == [(FEED, "KeyError")]
    assert live.get(FEED) is None
    assert live.get("wdivETH/USD") is None, "it needs what is missing"
