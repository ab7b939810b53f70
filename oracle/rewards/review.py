"""What an operator holds a report against before it signs it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from oracle.rewards.frozen import FrozenEpoch
from oracle.rewards.grounds import BadGrounds, check_grounds, word_fault
from oracle.rewards.report import EpochRewards, epoch_rewards
from oracle.sign.epoch_words import RewardsWord, SignedAttendance


def review(
    frozen: FrozenEpoch,
    raw: bytes,
    said: RewardsWord | None,
    *,
    stakes: Sequence[Sequence[int]],
    pots: Mapping[bytes, int],
    held: Mapping[bytes, SignedAttendance],
) -> EpochRewards | tuple[str, ...]:
    """The report as it is computed here, where that is what was said; else why it is not signed.

    Args:
        frozen: the epoch.
        raw: the grounds that came with it.
        said: what is asked to be signed; None where that is whatever follows from the grounds.
        stakes: at the freeze, as read from the chain here.
        pots: as read from the chain here.
        held: words that were heard here in time, by report key: who leaves one out could choose whose word counts.
    """
    try:
        grounds = check_grounds(frozen, raw)
    except BadGrounds as e:
        return (str(e),)
    faults = []
    if grounds.grounds.stakes != tuple(tuple(of) for of in stakes):
        faults.append("the stakes are not those of the freeze, as they are read from the chain here")
    faults += left_out(frozen, {w.address for w in grounds.grounds.words}, held)
    computed = epoch_rewards(grounds, pots)
    if said is not None and computed.word != said:
        faults.append("root or absent operators are not what follows from the grounds")
    return tuple(faults) or computed


def left_out(frozen: FrozenEpoch, used: set[bytes], held: Mapping[bytes, SignedAttendance]) -> Iterator[str]:
    """Members whose sound words were held here and are not among those that are used."""
    for key in frozen.keys:
        word = held.get(key)
        if word is not None and key not in used and not word_fault(frozen, word):
            yield f"the word of 0x{key.hex()} is left out"
