"""A report computed again from what was posted with it, and held against the chain: what `lrt-oracle rewards` shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from oracle.chain.quorum_rpc import ChainError
from oracle.rewards.frozen import FrozenEpoch
from oracle.rewards.grounds import BadGrounds, check_grounds
from oracle.rewards.posted import PostedReport, RewardsReads
from oracle.rewards.report import ETHER, EpochRewards, epoch_rewards


@dataclass(frozen=True, kw_only=True)
class RecomputedReport:
    """A posted report beside what follows from its grounds.

    Attributes:
        posted: as it is on chain.
        computed: from its grounds; None where they bear none.
        faults: what differs, a sentence each; none where it is the same.
        notes: what could not be looked at.
    """

    posted: PostedReport
    computed: EpochRewards | None
    faults: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As a JSON document. Amounts are texts, in the asset's smallest unit."""
        computed = self.computed
        return {
            "posted": {"root": _hex(self.posted.root), "at": self.posted.posted_s},
            "computed_root": None if computed is None else _hex(computed.word.root),
            "same": not self.faults,
            "faults": list(self.faults),
            "notes": list(self.notes),
            "absent": [_hex(a) for a in self.posted.absent],
            "rounds": 0 if computed is None else computed.seen.rounds,
            "members": [] if computed is None else _members(computed),
            "leaves": [] if computed is None else [
                {
                    "operator": _hex(leaf.operator), "source": leaf.source, "asset": _hex(leaf.asset),
                    "amount": str(leaf.amount), "proof": [_hex(n) for n in computed.tree.proof(leaf.hash)],
                }
                for leaf in computed.leaves
            ],
            "left": {} if computed is None else {_hex(a): str(computed.left(a)) for a in computed.pots},
        }  # fmt: skip

    def lines(self) -> list[str]:
        """As lines for people."""
        rows = [f"{'OTHER' if self.faults else 'same '}  root {_hex(self.posted.root)}"]
        rows += [f"OTHER  {fault}" for fault in self.faults]
        rows += [f"!      {note}" for note in self.notes]
        if self.computed is None:
            return rows
        rounds = self.computed.seen.rounds
        for member in _members(self.computed):
            owed = ", ".join(f"{n} of {_asset(a)}" for a, n in member["owed"].items()) or "nothing"
            away = "; absent: jailed for a short time" if member["absent"] else ""
            rows.append(f"  {member['operator']}  {member['rounds']} of {rounds} rounds; owed {owed}{away}")
        return rows


async def recompute(
    reads: RewardsReads,
    frozen: FrozenEpoch,
    posted: PostedReport,
    stakes: tuple[tuple[int, ...], ...] | None = None,
) -> RecomputedReport:
    """Compute a posted report again.

    Args:
        reads: of the contract.
        frozen: the epoch's set.
        posted: its report.
        stakes: at the freeze, where they were read when it was frozen; None to read them now.

    Raises:
        ChainError: the chain does not say what the epoch was funded with.
    """
    try:
        grounds = check_grounds(frozen, posted.grounds)
    except BadGrounds as e:
        return RecomputedReport(posted=posted, computed=None, faults=(f"its grounds: {e}",))
    computed = epoch_rewards(grounds, await reads.pots(frozen.epoch))
    faults, notes = [], []
    if computed.word.root != posted.root:
        faults.append(f"its grounds give root {_hex(computed.word.root)}")
    if computed.absent != posted.absent:
        faults += _absent_faults(computed.absent, posted.absent)
    try:
        read = stakes if stakes is not None else await reads.stakes(frozen)
        faults += _stake_faults(frozen, grounds.grounds.stakes, read)
    except ChainError as e:
        notes.append(f"stakes at the freeze are as posted: no endpoint has the state of then ({str(e)[:200]})")
    return RecomputedReport(posted=posted, computed=computed, faults=tuple(faults), notes=tuple(notes))


def _absent_faults(computed: Sequence[bytes], posted: Sequence[bytes]) -> Iterator[str]:
    for operator in sorted(set(posted) - set(computed)):
        yield f"{_hex(operator)} is named as absent, by its grounds it was not"
    for operator in sorted(set(computed) - set(posted)):
        yield f"{_hex(operator)} was absent by its grounds, and is not named"


def _stake_faults(frozen: FrozenEpoch, posted: Sequence[Sequence[int]], read: Sequence[Sequence[int]]) -> Iterator[str]:
    for operator, theirs, ours in zip(frozen.operators, posted, read, strict=True):
        for source in range(max(len(theirs), len(ours))):
            said, had = [of[source] if source < len(of) else None for of in (theirs, ours)]
            if said != had:
                text = f"stake of {_hex(operator)} in source {source} at the freeze is {had} wei, not {said}"
                yield text.replace("None wei", "none").replace("not None", "not none")


def _members(computed: EpochRewards) -> list[dict[str, Any]]:
    frozen = computed.grounds.frozen
    rows = []
    for operator, weight, credited in zip(frozen.operators, frozen.weights, computed.seen.credited, strict=True):
        owed: dict[str, int] = {}
        for leaf in computed.leaves:
            if leaf.operator == operator:
                owed[_hex(leaf.asset)] = owed.get(_hex(leaf.asset), 0) + leaf.amount
        rows.append(
            {
                "operator": _hex(operator), "weight": str(weight), "rounds": credited,
                "absent": operator in computed.absent, "owed": {a: str(n) for a, n in owed.items()},
            }
        )  # fmt: skip
    return rows


def _asset(asset: str) -> str:
    return "ether, in wei" if asset == _hex(ETHER) else f"token {asset}"


def _hex(raw: bytes) -> str:
    return "0x" + raw.hex()
