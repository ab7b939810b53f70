"""A fault of this program costs what it is in, one store's round or one feed's indication, and takes nothing else along."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import coincurve
import pytest

from feeds.types import Quote, Tick
from feeds.units import MS, WAD, Bps, Wad
from oracle.agree.terms import Terms
from oracle.app import App
from oracle.audit.recompute import verify_fold
from oracle.build import build
from oracle.config.resolve import ResolvedConfig
from oracle.model.spec import FeedSpec
from oracle.model.state import FeedState
from oracle.network.seats import LocalMember, Utterance
from oracle.report.wire import decode_items
from oracle.round.live import Live
from oracle.round.seat import SignerSeat
from oracle.sign.eip712 import Domain, address_of
from oracle.sign.keyfiles import save
from oracle.sign.messages import SignedValues, SignerSet
from oracle.sign.sign_journal import SignJournal
from tests.oracle.assemble.small_config import small_config
from tests.oracle.oracle_build import T0
from tests.oracle.round.round_world import SPECS, observed

FEED = "ETH/USD"
KEY = coincurve.PrivateKey(bytes([11]) * 32)
SYMBOLS = {"coinbase": "ETH-USD", "kraken": "ETH/USD"}
ENVIRON = {"LRT_ORACLE_PASSPHRASE": "word"}
NO_INDEX = 1 << 16
"""Fits no item: no store has it, and no code expects it."""


def config_at(folder: Path) -> ResolvedConfig:
    """An operator with two targets at stores of their own; no chain answers."""
    save(folder / "a.json", KEY, "word", iterations=2)
    SignJournal(folder / "a.db", address_of(KEY), now_ms=0, mute_ms=0, newborn=True).close()
    target = {"chain": "local", "store": "0x" + "55" * 20}
    return small_config(
        folder / "o.db",
        chains={"local": {"chain_id": 31337, "endpoints": ["http://127.0.0.1:1"]}},
        operators=[{"name": "a", "keyfile": str(folder / "a.json"), "journal": str(folder / "a.db")}],
        targets={"home": target, "other": {**target, "store": "0x" + "66" * 20}},
    )


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    """A process whose tasks do not run."""
    components = build(config_at(tmp_path), environ=ENVIRON)
    yield App(components)
    await components.close()


def seat(target: str, index: int = 0) -> SignerSeat:
    domain = Domain(chain_id=31337, store=target.encode().ljust(20))
    signers = SignerSet(domain=domain, epoch=1, signers=(address_of(KEY),), weights=(1,), threshold=1)
    return SignerSeat(target=target, signers=signers, indexes={FEED: index})


def hear(app: App, at_ms: int) -> None:
    for venue, symbol in SYMBOLS.items():
        app.observer.latest.put(venue, Tick(symbol=symbol, result=Quote(price_wad=Wad(2_000 * WAD))), at_ms)


@pytest.mark.parametrize(("broken", "sealed"), [("other", True), ("home", False)])
async def test_a_fault_in_one_store_s_round_costs_that_round_alone(app: App, broken: str, sealed: bool) -> None:
    for name in ("home", "other"):
        app.rounds.take_seat(seat(name, NO_INDEX if name == broken else 0))
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
    components = build(config_at(tmp_path), environ=ENVIRON, member=lambda o: TwoTongued(operator=o))
    try:
        app = App(components)
        app.rounds.take_seat(seat("home"))
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
