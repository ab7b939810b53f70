"""Three operators, a feed that each of them sees through sources of its own, and rounds of it, one after another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import coincurve

from feeds.types import Kind, Outcome
from oracle.model.publication import Record
from oracle.model.spec import Bands, Mode
from oracle.round.rounds import Member, Round, Rounds
from oracle.round.seat import HomeStore, SignerSeat
from oracle.sign.eip712 import Domain, address_of
from oracle.sign.messages import SignerSet
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from oracle.storage.database import Database, last_published
from tests.oracle.network.agreement_world import agreed_round, agreements_here, in_own_loop
from tests.oracle.oracle_build import T0, failed, seen, source, spec

NAMES = ("alpha", "beta", "gamma")
KEYS = {name: coincurve.PrivateKey(bytes([n + 1]) * 32) for n, name in enumerate(NAMES)}
BANDS = Bands(watch_bps=50, watch_leave_bps=25, depeg_bps=200, depeg_leave_bps=100,
              watch_dwell_s=30, depeg_dwell_s=60, leave_dwell_s=300)  # fmt: skip
FEED = spec(
    sources=tuple(
        replace(s, name=f"{s.name} {name}", group=f"{s.group} {name}")
        for name in NAMES
        for s in (source("one"), source("two"), source("rate", kind=Kind.REDEMPTION))
    ),
    bands=BANDS,
    halt_after_s=300,
    mode=Mode.REDEMPTION_UNLESS_DEPEG,
)
STEP_S = 10
START_S = T0 // 1_000
Given = dict[str, tuple[str | tuple[str, str] | None, str | None]]
"""By operator: what its two groups say (None: silent), and its redemption rate."""


class HaltWorld:
    """Three operators, two of whom make a record; each sees its own sources."""

    def __init__(self, path: Path | None = None, threshold: int = 2, leave_dwell_s: int = BANDS.leave_dwell_s) -> None:
        self.feed = replace(FEED, bands=replace(BANDS, leave_dwell_s=leave_dwell_s))
        self.store = Database(path / "o.db" if path else ":memory:")
        self.n = 0
        self.signers = SignerSet(
            domain=Domain(chain_id=1, store=bytes(20)),
            epoch=1,
            signers=tuple(address_of(KEYS[n]) for n in NAMES),
            weights=(1, 1, 1),
            threshold=threshold,
        )
        self.operators = {n: self._operator(n, path) for n in NAMES}
        self.rounds = self._rounds()

    def _operator(self, name: str, path: Path | None) -> Operator:
        file = path / f"{name}.db" if path else Path(":memory:")
        journal = SignJournal(file, address_of(KEYS[name]), now_ms=T0, mute_ms=0, newborn=True)
        return Operator(name, KEYS[name], journal, bound_bps=100)

    def _rounds(self) -> Rounds:
        members = []
        for name in NAMES:
            own = tuple(s for s in self.feed.sources if s.name.endswith(name))
            state = self.store.state(name, FEED.feed)
            members.append(
                Member(name=name, specs={FEED.feed: replace(self.feed, sources=own)}, states={FEED.feed: state},
                       signer=self.operators[name])
            )  # fmt: skip
        rounds = Rounds({FEED.feed: self.feed}, members, HomeStore(target="t", feeds=frozenset({FEED.feed})))
        rounds.take_seat(SignerSeat(target="t", signers=self.signers, indexes={FEED.feed: 0}))
        return rounds

    def restart(self) -> None:
        """Only what is stored is left."""
        self.rounds = self._rounds()
        record, published = self.store.record(FEED.feed), last_published(self.store, FEED.feed)
        self.rounds.resume([record] if record else [], {FEED.feed: published} if published else {})

    def run_round(self, given: Given) -> Record | None:
        """One round, agreed on by all; the record that it published."""
        self.n += 1
        now_s = START_S + self.n * STEP_S
        agreements = agreements_here(list(self.operators.values()), now_ms=lambda: now_s * 1_000)
        done = in_own_loop(
            agreed_round(self.rounds, agreements, now_s, {FEED.feed: outcomes_of(given, now_s * 1_000)})
        )  # fmt: skip
        self.store.save_round(done.feeds, done.agreements, done.records, done.transitions)
        self.rounds.commit(done)
        self.done: Round = done
        return done.records[0] if done.records else None


def outcomes_of(given: Given, round_ms: int) -> list[Outcome]:
    """What was said a third of a second before the round."""
    out, at_ms = list[Outcome](), round_ms - 300
    for name in NAMES:
        price, rate = given.get(name, (None, None))
        two = (price, price) if isinstance(price, str) or price is None else price
        for which, said in zip(("one", "two"), two, strict=True):
            full = f"{which} {name}"
            out.append(failed(full, at_ms) if said is None else seen(full, said, at_ms))
        full = f"rate {name}"
        out.append(failed(full, at_ms) if rate is None else seen(full, rate, at_ms, kind=Kind.REDEMPTION))
    return out


def everybody(price: str | tuple[str, str] | None, rate: str | None = "1.00") -> Given:
    return dict.fromkeys(NAMES, (price, rate))


def one_of_three(n: int, price: str, rate: str = "1.00") -> Given:
    return {NAMES[n % 3]: (price, rate)}


def kept_prices(record: Record | None) -> tuple[int, int, int, int]:
    """What must not change while prices are kept."""
    assert record is not None
    report = record.report
    return report.market_wad, report.redemption_wad, report.spread_bps, record.price_wad
