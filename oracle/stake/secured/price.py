"""What secures this price: who would lose how much by which lie, how far that stake is shared, and what may be wrong with the figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from oracle.chain.quorum_rpc import ChainError
from oracle.stake.discover import StakeSystem
from oracle.stake.reads import StakeReads
from oracle.stake.secured.coalitions import Coalition, WeighedStake, cheapest
from oracle.stake.secured.doubts import doubts_of
from oracle.stake.secured.facts import SecuredFacts, SecuringOperator, StakePart
from oracle.stake.secured.reads import secured_facts

_WHOLE = 10**18
NATIVE, UNKNOWN = "ether of validators", "unknown collateral"


@dataclass(frozen=True, slots=True, kw_only=True)
class LieCost:
    """What it takes to do one wrong, and what it costs.

    Attributes:
        needed: weight.
        coalition: those with this weight who have least to lose, and what can be slashed of them together; None: all
            together do not have the weight.
        fewest: how few operators can have it; 0 where nobody has.
        lost_wei: of that what these contracts take, by the fractions that are due: 0 where nothing contradicts itself.
        by_source: how ``coalition.wei`` lies in the sources, by address.
    """

    needed: int
    coalition: Coalition | None
    fewest: int
    lost_wei: int
    by_source: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedStake:
    """How far what can be slashed is not these operators' and this service's alone. All in wei.

    Attributes:
        others_can_slash: by other networks too.
        by_collateral: token, `NATIVE` or `UNKNOWN`.
        by_curator: who can move it between operators and networks.
        curator_unknown: in vaults whose curators endpoints do not tell.
        by_vault: vaults in which more than one operator has stake.
        twice: of operators with stake in two sources or more: one lie takes it in all of them.
    """

    others_can_slash: int
    by_collateral: Mapping[str, int]
    by_curator: Mapping[str, int]
    curator_unknown: int
    by_vault: Mapping[str, int]
    twice: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSecurity:
    """The answer.

    Attributes:
        facts: all that was read, with the block.
        slashable: by operator, counted once: without what a vault does not have for all of its operators together.
        by_source: the same by source, by address.
        two_contents: two contents of one round sealed: 2T - W sign both.
        false_price: one false content sealed, within the step or after its wait: T.
        any_price: one false content that lands at once, however far: the step threshold.
        silence: no round is sealed: W - T + 1 refuse.
        delay: a price beyond the step waits: W - S + 1 refuse, with S the step threshold.
        forgone: what who keeps it silent for the whole epoch loses of its rewards at least, by asset.
        is_complete: every source answered for every operator, and no vault owes more than it has. Otherwise all costs are
            the least that is known: the true ones are these or more.
        doubts: sentences: what may be wrong with the figures.
    """

    facts: SecuredFacts
    slashable: Mapping[str, int]
    by_source: Mapping[str, int]
    two_contents: LieCost
    false_price: LieCost
    any_price: LieCost
    silence: LieCost
    delay: LieCost
    forgone: Mapping[str, int]
    shared: SharedStake
    is_complete: bool
    doubts: tuple[str, ...]

    @property
    def slashable_wei(self) -> int:
        """Of all members in force."""
        return sum(self.slashable.values())

    @property
    def by_stake(self) -> bool:
        """Whether all weight in force was frozen by stake; else the costs are None or incomplete, and nothing here secures the rest."""
        return self.facts.frozen is not None and not self.facts.unnamed


async def price_security(reads: StakeReads, system: StakeSystem) -> PriceSecurity:
    """Read everything at the block of ``reads`` and judge it: the one function for whoever shows what secures a price.

    ``StakeReads.open(nodes)`` gives ``reads``, ``discover(reads, chain_id, store)`` gives ``system``. `secured_text` makes lines
    and a JSON document of the answer. `judge` does the same from facts that were read before, without I/O.

    Raises:
        NotStaked: by ``discover``: the store's owner is no StakedSet of it. Nothing is known of who would lose what.
        ChainError: endpoints do not answer or agree, or have no state of the block; or contracts answer what ours never do. A
            source that does not answer raises nothing: its stake is None in the facts, and ``is_complete`` is false.
    """
    try:
        return judge(await secured_facts(reads, system))
    except (
        ArithmeticError,
        LookupError,
        ValueError,
    ) as e:  # of a contract of somebody's own, that only looks like ours
        raise ChainError(f"{system.set} and the contracts around it answer what ours never do: {e!r}") from e


def judge(facts: SecuredFacts) -> PriceSecurity:
    """The same from the facts alone. Pure: no I/O, no clock."""
    parts, owes_more = counted_once(facts)
    members = [m for m in facts.members if m.weight]
    held = {m.operator: sum(p.wei or 0 for p in parts[m.operator]) for m in members}
    total, t = facts.total, facts.threshold
    unknown = [(m.operator, p.source) for m in members for p in parts[m.operator] if p.wei is None]
    unheard = [(m.operator, s) for m in members for s, wei in m.slashable_wei.items() if wei is None]
    used = [p for m in members for p in parts[m.operator]]
    silent_weight = total - t + 1
    return PriceSecurity(
        facts=facts,
        slashable=held,
        by_source=_summed((p.source, p.wei) for p in used),
        two_contents=_cost(facts, members, parts, max(0, 2 * t - total), contradicts=True),
        false_price=_cost(facts, members, parts, t),
        any_price=_cost(facts, members, parts, facts.step_threshold),
        silence=_cost(facts, members, parts, silent_weight),
        delay=_cost(facts, members, parts, max(0, total - facts.step_threshold + 1)),
        forgone={a: pot * silent_weight // total if total else 0 for a, pot in facts.rewards.pots.items()},
        shared=_shared(members, parts),
        is_complete=not unknown and not unheard and not owes_more,
        doubts=tuple(doubts_of(facts, sorted({*unknown, *unheard}), owes_more)),
    )


def counted_once(facts: SecuredFacts) -> tuple[dict[str, list[StakePart]], tuple[str, ...]]:
    """Each operator's places, none for more than it has for all who have stake there together; and the vaults that owe more.

    What such a vault lacks is taken off pro rata: of any coalition that is no more than what would be taken of it.
    """
    parts = {m.operator: list(m.parts) for m in facts.members}
    asked = _summed((p.vault, p.wei) for each in parts.values() for p in each if p.vault is not None)
    has = {vault: wei for s in facts.sources for vault, wei in (s.vaults or {}).items() if wei is not None}
    owes_more = tuple(sorted(v for v, wei in asked.items() if wei > has.get(v, wei)))
    for each in parts.values():
        for i, part in enumerate(each):
            if part.vault in owes_more and part.wei is not None:
                each[i] = replace(part, wei=part.wei * has[part.vault] // asked[part.vault])
    return parts, owes_more


def fraction_due(min_fraction: int, frozen: tuple[int, int], weight: int, others: int) -> int:
    """What of its stake an operator loses that was proven with others of this weight, of 1e18: as the penalties reckon it."""
    threshold, total = frozen
    missing = 2 * threshold - total - weight
    if missing <= 0 or others >= missing:
        return _WHOLE
    return min_fraction + (_WHOLE - min_fraction) * others // missing


def _cost(
    facts: SecuredFacts,
    members: Sequence[SecuringOperator],
    parts: Mapping[str, Sequence[StakePart]],
    needed: int,
    *,
    contradicts: bool = False,
) -> LieCost:
    weighed = [
        WeighedStake(operator=m.operator, weight=m.weight, wei=sum(p.wei or 0 for p in parts[m.operator]))
        for m in members
    ]
    coalition = cheapest(weighed, needed)
    if coalition is None:
        return LieCost(needed=needed, coalition=None, fewest=0, lost_wei=0, by_source={})
    liars = [m for m in members if m.operator in coalition.operators]
    together = sum(m.frozen_weight for m in liars)
    lost = 0
    for one in liars if contradicts and facts.frozen is not None else ():
        due = fraction_due(
            facts.penalties.min_fraction, facts.frozen or (0, 0), one.frozen_weight, together - one.frozen_weight
        )
        lost += sum((p.wei or 0) * due // _WHOLE for p in parts[one.operator])
    return LieCost(
        needed=needed,
        coalition=coalition,
        fewest=_fewest([m.weight for m in members], needed),
        lost_wei=lost,
        by_source=_summed((p.source, p.wei) for m in liars for p in parts[m.operator]),
    )


def _fewest(weights: Sequence[int], needed: int) -> int:
    count = 0
    for weight in sorted(weights, reverse=True):
        if needed <= 0:
            break
        needed, count = needed - weight, count + 1
    return count


def _shared(members: Sequence[SecuringOperator], parts: Mapping[str, Sequence[StakePart]]) -> SharedStake:
    used = [p for m in members for p in parts[m.operator] if p.wei]
    vaults = _operators_by(members, parts)
    sources = {m.operator: {p.source for p in parts[m.operator] if p.wei} for m in members}
    return SharedStake(
        others_can_slash=sum(p.wei or 0 for p in used if p.shared),
        by_collateral=_summed((NATIVE if p.native else p.collateral or UNKNOWN, p.wei) for p in used),
        by_curator=_summed((c, p.wei) for p in used for c in p.curators or ()),
        curator_unknown=sum(p.wei or 0 for p in used if p.vault is not None and p.curators is None),
        by_vault=_summed((p.vault, p.wei) for p in used if p.vault is not None and vaults[p.vault] > 1),
        twice={m.operator: sum(p.wei or 0 for p in parts[m.operator]) for m in members if len(sources[m.operator]) > 1},
    )


def _operators_by(members: Sequence[SecuringOperator], parts: Mapping[str, Sequence[StakePart]]) -> Mapping[str, int]:
    """How many operators have stake in a vault."""
    counts: dict[str, int] = defaultdict(int)
    for one in members:
        for vault in {p.vault for p in parts[one.operator] if p.wei and p.vault is not None}:
            counts[vault] += 1
    return counts


def _summed(pairs: Iterable[tuple[str | None, int | None]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for name, wei in pairs:
        if name is not None:
            sums[name] = sums.get(name, 0) + (wei or 0)
    return sums
