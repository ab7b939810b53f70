"""What may be wrong with the figures of what secures a price: each a sentence that says why, and whose word it rests on. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from oracle.stake.discover import SourceKind
from oracle.stake.moments import moment
from oracle.stake.secured.facts import SecuredFacts

_DAY_S = 86_400
_OLD_RECORD_S = 2 * _DAY_S


def doubts_of(facts: SecuredFacts, unheard: Sequence[tuple[str, str]], owes_more: Sequence[str]) -> Iterator[str]:
    """Sentences.

    Args:
        facts: what was read.
        unheard: operator and source, where what can be slashed is not known.
        owes_more: vaults that have less than their operators answer for together.
    """
    yield from facts.strange
    yield from _signers(facts)
    for operator, at in unheard:
        yield f"{at} does not say all that can be slashed of {operator}: what it does not say is reckoned as nothing"
    for vault in owes_more:
        yield f"vault {vault} has less than its operators answer for: each is reckoned with its share of what there is"
    for source in facts.sources:
        if source.reach_s is None:
            yield f"{source.at} does not say for how long stake there can be slashed"
        elif source.reach_s < facts.penalties.needs_s:
            yield (
                f"stake in {source.at} can be slashed for {source.reach_s} s, and a penalty may take {facts.penalties.needs_s} s:"
                " it may have left before"
            )
        if source.kind is SourceKind.UNKNOWN:
            yield f"{source.at} is a source of a kind that is not known here: nothing is said of what its stake is and who shares it"
    yield from _others(facts)
    yield from _values(facts)


def _signers(facts: SecuredFacts) -> Iterator[str]:
    if facts.frozen is None:
        yield "the signers in force were named when the store was deployed, not frozen by stake: nothing answers for what they sign"
    elif facts.unnamed:
        yield f"{len(facts.unnamed)} keys with weight are of no frozen member: nothing answers for what they sign"
    governance = facts.governance
    if governance.set_owner is not None:
        yield f"{governance.set_owner} is the store's set owner: it can name other signers, whatever stake says"
    if governance.pending_owner is not None:
        yield f"{governance.pending_owner} can accept the store now: then it decides who signs"
    if facts.silent:
        yield "the last freeze made no set, as too much stake has left: T falls with each freeze until one can be made"
    if facts.expires_s is not None and facts.time_s >= facts.expires_s:
        yield f"the set expired {moment(facts.expires_s)}: it signs nothing until another takes over"
    if facts.overlap_ends_s > facts.time_s:
        yield (
            f"rounds of epoch {facts.epoch - 1} are taken until {moment(facts.overlap_ends_s)}: its signers could seal them,"
            " and what answers for that is not reckoned here"
        )
    cases = [m.operator for m in facts.members if m.open_cases]
    if cases:
        yield f"a penalty is open against {', '.join(cases)}: what it put aside is off these figures"


def _others(facts: SecuredFacts) -> Iterator[str]:
    kinds = {s.kind for s in facts.sources}
    if SourceKind.SYMBIOTIC in kinds:
        yield (
            "in a vault of Symbiotic other networks may slash first, a slash is shared by all who have stake there, and its curator"
            " and owner can change what it is"
        )
    if SourceKind.EIGENLAYER in kinds:
        yield "EigenLayer's governance can pause slashing until stake is out of reach, and replace its contracts"
    if facts.penalties.arbiter is not None:
        yield f"{facts.penalties.arbiter} can give every penalty back for {facts.penalties.dispute_s} s: to a liar too"
    yield "an owner of two operators, or of an operator and of what it stakes, is seen by nobody here"


def _values(facts: SecuredFacts) -> Iterator[str]:
    for one in facts.collateral:
        if one.rate_contract is None:
            yield f"{one.token} counts one to one, whatever it is traded at"
            continue
        if one.rate is None:
            yield f"{one.rate_contract} says no rate of {one.token} now: stake counts by the rate that was recorded, or not at all"
        elif one.limit is not None and one.rate >= one.limit:
            yield f"{one.token} counts at the limit of its growth: its own contract says as much or more"
        else:
            yield f"{one.token} counts by {one.rate_contract}, not by what it can be sold for"
        if one.fallen is not None:
            yield f"the rate of {one.token} was seen to have fallen at {moment(one.fallen[1])}: a part of the fall may not count yet"
        if facts.time_s - one.recorded_at_s > _OLD_RECORD_S:
            days = (facts.time_s - one.recorded_at_s) // _DAY_S
            yield f"the rate of {one.token} was recorded {days} days ago: `refresh` once a day, or stake counts nothing when it cannot be read"
