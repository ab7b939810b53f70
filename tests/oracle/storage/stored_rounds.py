"""Rounds folded one after the other and saved, as a process does it."""

from __future__ import annotations

from collections.abc import Sequence

import coincurve

from oracle.model.publication import OPEN, PushRow, PushState, Record, Transition
from oracle.model.retention import Retention
from oracle.model.spec import FeedSpec
from oracle.model.state import FeedState
from oracle.model.status import Status
from oracle.model.types import FeedRound, FoldedFeed
from oracle.report.compose import price_of
from oracle.round.step import step
from oracle.sign.eip712 import Domain, address_of
from oracle.sign.messages import Agreement, SignedValues, SignerSet
from oracle.storage.database import Database, last_published
from oracle.storage.limits import DatabaseLimits
from oracle.storage.prune import PruneTimes
from tests.oracle.oracle_build import T0, outcomes, spec

FEED = spec()
S0 = T0 // 1_000
SHORT = DatabaseLimits(checkpoint_every=4)
WEEK = Retention(
    rounds_days=7,
    records_days=14,
    minutes_days=60,
    hours_days=3_650,
    values_days=7,
    pushed_values_days=400,
    pushes_days=400,
)


SIGNERS = SignerSet(
    domain=Domain(chain_id=1, store=bytes(20)), epoch=1, threshold=1, weights=(1,),
    signers=(address_of(coincurve.PrivateKey(b"\1" * 32)),),
)  # fmt: skip


def record_of(result: FeedRound) -> Record:
    return Record(
        feed=result.feed,
        mode=FEED.mode,
        report=result.report,
        price_wad=price_of(result.report, FEED.mode),
        deviation_bps=result.verdict.deviation_bps,
        reasons=result.verdict.reasons,
        observed_at_ms=T0,
        computed_at_ms=T0,
        signed_at_ms=None,
        operators=("a",),
    )


def a_record() -> Record:
    result, _ = step(FEED, FeedState(), outcomes("1.05"), {}, S0 * 1_000)
    assert isinstance(result, FeedRound)
    return record_of(result)


RECORD = a_record()


def keep(database: Database, seconds: Sequence[int], price: str = "1.05", feed: FeedSpec = FEED) -> None:
    """Rounds at these seconds after the start, folded on what is stored, with a record and a status change each."""
    for i in seconds:
        at_ms = T0 + i * 1_000
        state = database.state("a", feed.feed)
        before = last_published(database, feed.feed)
        result, after = step(feed, state, outcomes(price, at_ms=at_ms), {}, at_ms, before)
        records = [record_of(result)] if isinstance(result, FeedRound) else []
        change = Transition(feed=feed.feed, at_ms=at_ms + 40, before=Status.OK, after=Status.WATCH, reasons=())
        folded = FoldedFeed(operator="a", spec=feed, before=state, after=after, result=result)
        database.save_round([folded], [], records, [change])


def agreement(i: int, target: str = "t") -> Agreement:
    values = (SignedValues(operator="a", address=bytes(20), round_time_s=S0 + i, items=b"", signature=bytes(65)),)
    return Agreement(
        target=target, round_time_s=S0 + i, signers=SIGNERS, feeds=(FEED.feed,), indexes=(0,), values=values
    )


def pushed(database: Database, i: int, state: PushState, items: bytes = b"") -> None:
    row = PushRow(
        id=0,
        target="t",
        chain_id=1,
        round_s=S0 + i,
        items=items,
        nonce=i,
        tx_hash=f"0x{i}",
        raw=b"",
        state=state,
        made_ms=1,
        final=int(state not in OPEN),
    )
    database.add_push(row)


def until(i: int, pushed: int = 0) -> PruneTimes:
    """All that is older than round i goes; what was pushed, that is older than another."""
    return PruneTimes(rounds_s=S0 + i, values_s=S0 + i, pushed_values_s=S0 + pushed)
