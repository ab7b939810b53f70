"""Operators that agree on rounds through the machine of production: all in one process, or each in one of its own.

Keys, journals, words and signatures are real; between processes bytes go from one to the other without a socket, in order
and at once, as far as ``reaches`` lets them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from feeds.types import Outcome
from feeds.units import MS
from oracle.agree.ask import RoundAsk
from oracle.agree.messages import Ready, ready_digest
from oracle.agree.outcome import RoundOutcome
from oracle.agree.terms import CommonRules, Terms, Timing
from oracle.model.types import Published, Report
from oracle.network.agreements import Agreements
from oracle.network.sealed_rounds import SealedRounds
from oracle.network.seats import LocalMember, Utterance
from oracle.network.times import AgreementClock
from oracle.round.rounds import Round, Rounds
from oracle.sign.eip712 import sign_compact
from oracle.sign.messages import SignerSet
from oracle.sign.operator import Operator
from oracle.sign.signed_batch import CollectedSignatures

T = TypeVar("T")
BRISK = Timing(values_ms=1_500, grace_ms=50, first_ms=2_000, next_ms=2_000, guard_ms=200, end_ms=60_000)
"""A missing member costs little, a missing leader two seconds, and a busy machine some attempts: there are thirty."""
BRIEF = Timing(values_ms=300, grace_ms=30, first_ms=400, next_ms=400, guard_ms=50, end_ms=1_200)
"""For rounds that come to nothing: over in a second."""


def in_order(signers: SignerSet, _: int) -> tuple[bytes, ...]:
    """Members lead in the order of their listing."""
    return tuple(a for a, w in zip(signers.signers, signers.weights, strict=True) if w)


def led_by(address: bytes) -> Callable[[SignerSet, int], tuple[bytes, ...]]:
    """That member leads first, the others after it in the order of their listing."""

    def order(signers: SignerSet, round_time_s: int) -> tuple[bytes, ...]:
        listed = in_order(signers, round_time_s)
        at = listed.index(address)
        return listed[at:] + listed[:at]

    return order


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouching(LocalMember):
    """Vouches for whatever is proposed."""

    def utter(self, terms: Terms, said: Utterance) -> Sequence[tuple[Utterance, frozenset[bytes] | None]]:
        if not isinstance(said, Ready):
            return [(said, None)]
        blind = msgspec.structs.replace(said, refused=(), signature=b"")
        digest = ready_digest(terms.binding, terms.round_time_s, blind)
        return [(msgspec.structs.replace(blind, signature=sign_compact(self.network_key, digest)), None)]


def agreements_here(
    members: Sequence[Operator | LocalMember],
    *,
    now_ms: Callable[[], int],
    clock_ok: Callable[[], bool] = lambda: True,
    timing: Timing = BRISK,
    order: Callable[[SignerSet, int], tuple[bytes, ...]] = in_order,
    yields_ms: int = 0,
    on_outcome: Callable[[RoundOutcome], None] = lambda _: None,
) -> Agreements:
    """All operators in this process."""
    seated = [LocalMember(operator=m) if isinstance(m, Operator) else m for m in members]
    return Agreements(
        seated,
        clock=AgreementClock(now_ms=now_ms, clock_ok=clock_ok),
        rules=CommonRules(),
        timing=timing,
        order=order,
        sealed=SealedRounds(),
        yields_ms=yields_ms,
        on_outcome=on_outcome,
    )


async def agreed_round(
    rounds: Rounds,
    agreements: Agreements,
    round_time_s: int,
    observed: Mapping[str, Sequence[Outcome]],
    *,
    now_ms: int | None = None,
) -> Round:
    """One round as a process makes it: fold, agree at every store, draw up what is published. Not committed."""
    folded = rounds.fold(round_time_s, observed, now_ms=round_time_s * MS if now_ms is None else now_ms)
    outcomes = await asyncio.gather(*(agreements.agree(ask) for ask in folded.asks.values()))
    return rounds.finish(folded, dict(zip(folded.asks, outcomes, strict=True)))


def in_own_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run it to its end in a thread with a loop of its own: for tests that have none, or are in the middle of theirs."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def ask_of(
    signers: SignerSet,
    round_time_s: int,
    reports: Mapping[str, Mapping[int, Report]],
    *,
    feeds: Mapping[str, int] | None = None,
    published: Mapping[int, Published] | None = None,
) -> RoundAsk:
    """A round with these reports of the operators, by name. ``feeds``: of the store; feed0, feed1, ... where it is left out."""
    indexes = sorted({i for own in reports.values() for i in own})
    return RoundAsk(
        target="home",
        signers=signers,
        round_time_s=round_time_s,
        indexes=feeds or {f"feed{i}": i for i in indexes},
        reports=reports,
        published=published or {},
    )


# --- each in a process of its own ---------------------------------------------------------------------------------------


@dataclass
class Wire:
    """One operator's way to the others."""

    world: ApartWorld
    address: bytes

    def broadcast(self, payload: bytes) -> None:
        for other in self.world.processes:
            if other != self.address:
                self.send(other, payload)

    def send(self, to: bytes, payload: bytes) -> None:
        if to in self.world.processes and self.world.reaches(self.address, to):
            self.world.carry(self.address, to, payload)

    def network_keys(self) -> Mapping[bytes, tuple[bytes, ...]]:
        return {a: (m.network_address,) for a, m in self.world.members.items() if a != self.address}

    def reachable(self) -> tuple[bytes, ...]:
        return tuple(a for a in self.world.processes if a != self.address and self.world.reaches(self.address, a))

    def note_weights(self, weights: Mapping[bytes, int]) -> None:
        """Their clocks are one and the same."""

    def trouble(self, member: bytes) -> str:
        return "" if self.world.reaches(member, self.address) else "it is not reached"


@dataclass
class ApartWorld:
    """Operators in processes of their own, each with one key.

    Attributes:
        members: by report address.
        timing: of rounds. They begin when they are asked for.
        order: who leads.
        reaches: whether what the first says comes to the second.
        refused: what was wrong with payloads: sender, receiver, text.
        said: payloads that went from one to another.
    """

    members: dict[bytes, LocalMember]
    timing: Timing = BRISK
    order: Callable[[SignerSet, int], tuple[bytes, ...]] = in_order
    reaches: Callable[[bytes, bytes], bool] = lambda _from, _to: True
    processes: dict[bytes, Agreements] = field(default_factory=dict)
    refused: list[tuple[bytes, bytes, str]] = field(default_factory=list)
    said: list[tuple[bytes, bytes, bytes]] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _round_s: int = 0

    def __post_init__(self) -> None:
        for address in self.members:
            self.start(address)

    @classmethod
    def of(cls, members: Sequence[Operator | LocalMember], **more: object) -> ApartWorld:
        """A world of these."""
        seated = [LocalMember(operator=m) if isinstance(m, Operator) else m for m in members]
        return cls({m.address: m for m in seated}, **more)  # type: ignore[arg-type]

    def start(self, address: bytes, operator: Operator | None = None) -> None:
        """Start the process of an operator, anew where it ran: what it had in memory is gone."""
        if operator is not None:
            self.members[address] = LocalMember(operator=operator, network_key=self.members[address].network_key)
        self.processes[address] = Agreements(
            [self.members[address]],
            clock=AgreementClock(now_ms=self.now_ms, clock_ok=lambda: True),
            rules=CommonRules(),
            timing=self.timing,
            order=self.order,
            sealed=SealedRounds(),
            transport=Wire(self, address),
            names={a: m.operator.name for a, m in self.members.items()},
        )

    def now_ms(self) -> int:
        """Time goes on by itself; a round begins at its round_time."""
        return self._round_s * MS + int((time.monotonic() - self._began) * MS)

    def carry(self, sender: bytes, to: bytes, payload: bytes) -> None:
        """Deliver, after what is under way."""
        self.said.append((sender, to, payload))
        asyncio.get_running_loop().call_soon(self._deliver, sender, to, payload)

    def _deliver(self, sender: bytes, to: bytes, payload: bytes) -> None:
        if to in self.processes and (fault := self.processes[to].inbox.receive(sender, payload)):
            self.refused.append((sender, to, fault))

    async def agree(self, ask: RoundAsk, *silent: bytes) -> dict[bytes, RoundOutcome]:
        """A round as each process sees it; ``silent`` ones do not run."""
        return await self.agree_apart({a: ask for a in self.processes if a not in silent})

    async def agree_apart(self, asks: Mapping[bytes, RoundAsk]) -> dict[bytes, RoundOutcome]:
        """A round of which each process knows something else."""
        self._began, self._round_s = time.monotonic(), next(iter(asks.values())).round_time_s
        outcomes = await asyncio.gather(*(self.processes[a].agree(ask) for a, ask in asks.items()))
        return dict(zip(asks, outcomes, strict=True))

    async def cut(self, at: bytes, outcome: RoundOutcome, feeds: Sequence[int]) -> CollectedSignatures:
        """One process has a batch of these feeds signed by all."""
        return await self.processes[at].cut(outcome, feeds)
