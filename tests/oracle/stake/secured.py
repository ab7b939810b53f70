"""Facts of what secures a price, made up: for what is judged from them alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from oracle.stake.discover import SourceKind, StakeSource, StakeSystem
from oracle.stake.secured.facts import (
    CollateralFacts,
    Governance,
    PenaltyFacts,
    RewardFacts,
    SecuredFacts,
    SecuringOperator,
    SetTerms,
    SourceFacts,
    StakePart,
)

ETHER = 10**18
TOKEN, POOLS, VAULTS, EIGEN = ("0x" + c * 40 for c in "abcd")
_KINDS = {POOLS: SourceKind.DELEGATED, VAULTS: SourceKind.SYMBIOTIC, EIGEN: SourceKind.EIGENLAYER}


def who(number: int) -> str:
    """An operator's address."""
    return f"0x{number:040x}"


def part(wei: int | None, source: str = POOLS, **more: Any) -> StakePart:
    return StakePart(source=source, kind=_KINDS[source], wei=wei, **{"collateral": TOKEN, **more})


def operator(number: int, weight: int, *parts: StakePart, **more: Any) -> SecuringOperator:
    sums: dict[str, int | None] = {}
    for one in parts:
        before = sums.get(one.source, 0)
        sums[one.source] = None if one.wei is None or before is None else before + one.wei
    fields: dict[str, Any] = {
        "operator": who(number), "key": who(1_000 + number), "book_key": who(1_000 + number), "weight": weight,
        "frozen_weight": weight, "capture_s": 900_000, "stake_wei": sums, "slashable_wei": sums, "parts": parts, "jailed_until_s": None, "open_cases": 0,
    }  # fmt: skip
    return SecuringOperator(**fields | more)


def facts(members: Sequence[SecuringOperator], **more: Any) -> SecuredFacts:
    """A set in force: T the least above two thirds, the step threshold above eight tenths."""
    total = sum(m.weight for m in members)
    frozen = sum(m.frozen_weight for m in members)
    threshold = total * 2 // 3 + 1
    sources = tuple(
        SourceFacts(at=at, kind=kind, values=who(7), reach_s=10**6, vaults={} if at == VAULTS else None)
        for at, kind in _KINDS.items()
    )
    system = StakeSystem(
        chain_id=1, store=who(90), set=who(91), book=who(92), penalties=who(93), rewards=who(94),
        sources=tuple(StakeSource(at=at, kind=kind) for at, kind in _KINDS.items()),
    )  # fmt: skip
    whole = SecuredFacts(
        system=system, block=7, time_s=1_000_000, epoch=2, threshold=threshold, step_threshold=total * 8 // 10 + 1,
        frozen=(threshold, frozen), capture_s=900_000, provable_until_s=2_000_000, expires_s=1_500_000, overlap_ends_s=0,
        rotate_due_s=1_100_000, silent=False, next_epoch=None, members=tuple(members), unnamed={}, candidates=len(members),
        jailed={}, terms=SetTerms(100, 1, 1, 500_000, 200, 3_400, 1, 3, 5, 6_700, 8_000, 600_000),
        governance=Governance(
            timelock=who(80), timelock_is_key=False, guardian=who(81), migrates_to=None, migrates_at_s=None,
            has_migrated=False, pending_owner=None, set_owner=None,
        ),
        penalties=PenaltyFacts(
            min_fraction=ETHER // 20, dispute_s=3_600, execution_s=60, jail_s=60, finder_bps=500, arbiter=who(82), needs_s=900_000
        ),
        rewards=RewardFacts(absence_jail_s=60, pots={who(0): 9 * ETHER}),
        sources=sources,
        collateral=(CollateralFacts(
            values=who(7), token=TOKEN, rate_contract=TOKEN, rate=ETHER, limit=2 * ETHER, recorded_rate=ETHER,
            recorded_at_s=999_000, counts_bps=10_000, growth_bps=100,
        ),),
    )  # fmt: skip
    return replace(whole, **more)
