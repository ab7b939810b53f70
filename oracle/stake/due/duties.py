"""What must be done for the contracts of stake, by anybody: which calls are due, by what was read at one block. Pure.

Nobody is paid for these calls. Left undone, a set expires, a guilty operator stays in it, a penalty lapses, or stake stops counting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from eth_hash.auto import keccak

from oracle.chain.store_abi import call_of
from oracle.model.duty_kind import DutyKind
from oracle.stake.hand import StakeStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """One call that is due.

    Attributes:
        kind: what for.
        subject: of whom or what; with the kind it names the duty, for everybody alike.
        since_s: when it became due, Unix s; None where the chain does not say.
        step: the call.
        hindered: why it would fail now; "" where it would not.
        told: the subject for people, where it is another text.
    """

    kind: DutyKind
    subject: str
    since_s: int | None
    step: StakeStep
    hindered: str = ""
    told: str = ""

    @property
    def text(self) -> str:
        """What is due, for people."""
        return f"{self.kind.value} {self.told or self.subject}"

    @property
    def name(self) -> str:
        """Of this duty and no other."""
        return f"{self.kind.value} {self.subject}"

    def place(self, chain_id: int, penalised_set: str) -> bytes:
        """32 bytes for the draw of who does it first."""
        return keccak(f"{chain_id} {penalised_set} {self.name}".encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemAt:
    """Addresses of the contracts, hex, and the time of the block (Unix s) at which they were read."""

    set: str
    penalties: str
    now_s: int


def duty_step(to: str, contract: str, name: str, args: tuple[object, ...], text: str, undo: str) -> StakeStep:
    """A call of one of our contracts, with what it does and how it is undone, for people."""
    data, _ = call_of(contract, name, args)
    return StakeStep(name=name, text=text, undo=undo, to=to, data=data)


@dataclass(slots=True)
class DutiesDue:
    """What is due, since when, and what was done about it: for people and metrics.

    Attributes:
        since_s: by duty, the Unix s since when it is due as far as is known here, or since when it can be done.
        duties: as last read.
        counts: of calls, by kind and what became of them.
    """

    since_s: dict[str, int] = field(default_factory=dict)
    duties: tuple[Duty, ...] = ()
    counts: dict[tuple[DutyKind, str], int] = field(default_factory=dict)

    def note(self, duties: Sequence[Duty], now_s: int) -> None:
        """What is due now; what is not any more is forgotten."""
        known, before = self.since_s, {d.name: bool(d.hindered) for d in self.duties}
        self.since_s = {
            d.name: d.since_s if d.since_s is not None
            else known[d.name] if before.get(d.name) is bool(d.hindered) else now_s
            for d in duties
        }  # fmt: skip
        self.duties = tuple(sorted(duties, key=lambda d: (list(DutyKind).index(d.kind), self.since_s[d.name], d.name)))

    def oldest_s(self, kind: DutyKind) -> int | None:
        """Since when the oldest of a kind is due; None where none is."""
        return min((self.since_s[d.name] for d in self.duties if d.kind is kind), default=None)

    def count(self, kind: DutyKind, outcome: str) -> None:
        """A call was sent, or something became of it."""
        self.counts[kind, outcome] = self.counts.get((kind, outcome), 0) + 1
