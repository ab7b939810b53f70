"""DelegatedStake as a model in exact integers, written from docs/stake.md and not from the Solidity."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.contracts.store_words import ModelRefused

WAD, BPS = 10**18, 10_000
POINT = 96
"""Bits behind the point of a reward by share."""
MOST_SHARES = 2**32
"""For one token; a pool with more is over."""
MOST_FINDER_BPS = 500
MOST_TOKENS = 2**96 - 1


class Terms(NamedTuple):
    """What is fixed when the contract is made."""

    token: str
    treasury: str
    window_s: int
    answer_s: int
    max_commission_bps: int
    assets: tuple[str, ...]


@dataclass(slots=True)
class PoolModel:
    tokens: int = 0
    shares: int = 0
    generation: int = 0
    leaving: int = 0
    waits_since: int = 0
    waited_s: int = 0
    open_cases: int = 0
    commission_bps: int = 0
    enrolled: bool = False
    next_bps: int = 0
    next_at: int = 0
    aside: int = 0
    per_share: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Of the present generation, by asset."""

    def words(self) -> tuple[int, ...]:
        """In the contract's order."""
        return (
            self.tokens, self.shares, self.generation, self.leaving, self.waits_since, self.waited_s, self.open_cases,
            self.commission_bps, int(self.enrolled), self.next_bps, self.next_at, self.aside,
        )  # fmt: skip

    def tokens_of(self, shares: int) -> int:
        return shares * self.tokens // self.shares if shares else 0

    def waited(self, now: int) -> int:
        return self.waited_s + (now - self.waits_since if self.open_cases else 0)

    def commission(self, now: int) -> int:
        return self.next_bps if self.next_at and now >= self.next_at else self.commission_bps


@dataclass(slots=True)
class PositionModel:
    shares: int = 0
    leaving: int = 0
    since: int = 0
    opens_at: int = 0
    waited_s: int = 0
    counted: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    earned: dict[str, int] = field(default_factory=lambda: defaultdict(int))


class DelegatedModel:
    """What the contract should hold. A method that raises has changed nothing."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.pools: dict[str, PoolModel] = defaultdict(PoolModel)
        self.positions: dict[str, dict[str, PositionModel]] = defaultdict(lambda: defaultdict(PositionModel))
        self.cases: dict[bytes, tuple[str, int]] = {}
        """Operator and tokens of each id that was ever used."""
        self.due: dict[tuple[str, str], int] = defaultdict(int)
        self.owed: dict[str, int] = defaultdict(int)

    # ------------------------------------------------------------------------------------------------------ operators

    def enroll(self, operator: str, bps: int) -> None:
        pool = self.pools[operator]
        if pool.enrolled:
            raise ModelRefused("IsEnrolled")
        if bps > self.terms.max_commission_bps:
            raise ModelRefused("BadCommission")
        pool.enrolled, pool.commission_bps = True, bps

    def set_commission(self, operator: str, bps: int, now: int) -> None:
        pool = self.pools[operator]
        if not pool.enrolled:
            raise ModelRefused("NotEnrolled")
        if bps > self.terms.max_commission_bps:
            raise ModelRefused("BadCommission")
        present = pool.commission(now)
        if bps <= present:
            pool.commission_bps, pool.next_bps, pool.next_at = bps, 0, 0
        else:
            at = now + self.terms.answer_s + self.terms.window_s
            pool.commission_bps, pool.next_bps, pool.next_at = present, bps, at

    # ------------------------------------------------------------------------------------------------------ restakers

    def settle(self, operator: str, restaker: str) -> tuple[PoolModel, PositionModel]:
        """What was earned up to now is counted, rounded down."""
        pool, position = self.pools[operator], self.positions[operator][restaker]
        for asset in self.terms.assets:
            self.count(pool, position, asset)
        return pool, position

    def count(self, pool: PoolModel, position: PositionModel, asset: str) -> None:
        position.earned[asset] += self.fresh(pool, position, asset)
        position.counted[asset] = pool.per_share[asset]

    @staticmethod
    def fresh(pool: PoolModel, position: PositionModel, asset: str) -> int:
        return (pool.per_share[asset] - position.counted[asset]) * position.shares >> POINT

    def pending(self, operator: str, restaker: str, asset: str) -> int:
        position = self.positions[operator][restaker]
        return position.earned[asset] + self.fresh(self.pools[operator], position, asset)

    def deposit(self, operator: str, restaker: str, amount: int, now: int) -> int:
        pool = self.pools[operator]
        if not pool.enrolled:
            raise ModelRefused("NotEnrolled")
        if pool.open_cases:
            raise ModelRefused("CaseOpen")
        if not amount or amount + pool.tokens > MOST_TOKENS:
            raise ModelRefused("BadAmount")
        _, position = self.settle(operator, restaker)
        shares = amount * pool.shares // pool.tokens if pool.shares else amount
        pool.tokens += amount
        pool.shares += shares
        position.shares += shares
        position.since = now
        self.owed[self.terms.token] += amount
        return shares

    def request(self, operator: str, restaker: str, shares: int, bound: int, now: int) -> int:
        pool, position = self.pools[operator], self.positions[operator][restaker]
        if shares > position.shares:
            raise ModelRefused("BadAmount")
        pool.leaving += shares - position.leaving
        position.leaving, position.opens_at = shares, 0
        if shares:
            soonest = bound + 1 if bound >= now else now
            position.opens_at = max(soonest, position.since + self.terms.window_s)
            position.waited_s = pool.waited(now)
        return position.opens_at

    def closes_at(self, operator: str, restaker: str, now: int) -> int:
        pool, position = self.pools[operator], self.positions[operator][restaker]
        return position.opens_at + self.terms.window_s + pool.waited(now) - position.waited_s

    def withdraw(self, operator: str, restaker: str, now: int) -> int:
        pool, position = self.pools[operator], self.positions[operator][restaker]
        shares = position.leaving
        if not shares:
            raise ModelRefused("NothingLeaving")
        if pool.open_cases:
            raise ModelRefused("CaseOpen")
        if now < position.opens_at:
            raise ModelRefused("TooEarly")
        if now > self.closes_at(operator, restaker, now):
            raise ModelRefused("TooLate")
        self.settle(operator, restaker)
        tokens = pool.tokens_of(shares)
        pool.tokens -= tokens
        pool.shares -= shares
        pool.leaving -= shares
        position.shares -= shares
        position.leaving = position.opens_at = 0
        self.owed[self.terms.token] -= tokens
        return tokens

    def lapse(self, operator: str, restaker: str, now: int) -> None:
        pool, position = self.pools[operator], self.positions[operator][restaker]
        if not position.leaving:
            raise ModelRefused("NothingLeaving")
        if now <= self.closes_at(operator, restaker, now):
            raise ModelRefused("NotLapsed")
        pool.leaving -= position.leaving
        position.leaving = position.opens_at = 0

    def claim(self, operator: str, restaker: str, asset: str) -> int:
        amount = self.pending(operator, restaker, asset)
        if not amount:
            raise ModelRefused("NothingDue")
        position = self.positions[operator][restaker]
        self.count(self.pools[operator], position, asset)
        position.earned[asset] = 0
        self.owed[asset] -= amount
        return amount

    def collect(self, who: str, asset: str) -> int:
        amount = self.due[who, asset]
        if not amount:
            raise ModelRefused("NothingDue")
        self.due[who, asset] = 0
        self.owed[asset] -= amount
        return amount

    # ------------------------------------------------------------------------------------------------------ penalties

    def seize(self, operator: str, fraction: int, case: bytes, now: int) -> int:
        pool = self.pools[operator]
        tokens = pool.tokens * fraction // WAD if fraction <= WAD else 0
        if not tokens:
            raise ModelRefused("NothingToSeize")
        if case in self.cases:
            raise ModelRefused("CaseExists")
        self.cases[case] = operator, tokens
        pool.tokens -= tokens
        pool.aside += tokens
        if not pool.open_cases:
            pool.waits_since = now
        pool.open_cases += 1
        return tokens

    def end(self, case: bytes, now: int) -> tuple[str, int, PoolModel]:
        operator, tokens = self.cases.get(case, ("", 0))
        if not tokens:
            raise ModelRefused("NoSuchCase")
        pool = self.pools[operator]
        self.cases[case] = operator, 0
        pool.aside -= tokens
        pool.open_cases -= 1
        if not pool.open_cases:
            pool.waited_s += now - pool.waits_since
        return operator, tokens, pool

    def end_generation(self, operator: str) -> int:
        """What is left of a pool that is over, for the treasury."""
        pool = self.pools[operator]
        if pool.open_cases or pool.shares <= pool.tokens * MOST_SHARES:
            return 0
        for restaker in list(self.positions[operator]):
            position = self.settle(operator, restaker)[1]
            position.shares = position.leaving = position.opens_at = 0
            position.counted.clear()
        rest, pool.tokens, pool.shares, pool.leaving = pool.tokens, 0, 0, 0
        pool.per_share.clear()
        pool.generation += 1
        return rest

    def restore(self, case: bytes, now: int) -> int:
        """What goes to the treasury, as the rest of a pool that is over."""
        operator, tokens, pool = self.end(case, now)
        pool.tokens += tokens
        rest = self.end_generation(operator)
        self.owed[self.terms.token] -= rest
        return rest

    def take(self, case: bytes, bps: int, now: int) -> tuple[int, int]:
        """What the finder gets, and the treasury."""
        operator, tokens, _ = self.end(case, now)
        found = tokens * min(bps, MOST_FINDER_BPS) // BPS
        rest = self.end_generation(operator)
        self.owed[self.terms.token] -= tokens + rest
        return found, tokens - found + rest

    # -------------------------------------------------------------------------------------------------------- rewards

    def reward(self, operator: str, asset: str, amount: int, now: int) -> tuple[int, int]:
        """Commission, and what goes to the pool."""
        if asset not in self.terms.assets:
            raise ModelRefused("UnknownAsset")
        pool = self.pools[operator]
        commission = amount * pool.commission(now) // BPS if pool.shares else amount
        self.due[operator, asset] += commission
        if amount > commission:
            pool.per_share[asset] += (amount - commission << POINT) // pool.shares
        self.owed[asset] += amount
        return commission, amount - commission

    # ---------------------------------------------------------------------------------------------------------- sums

    def stake_tokens(self, operator: str) -> int:
        pool = self.pools[operator]
        return pool.tokens_of(pool.shares - pool.leaving)

    def parts(self, asset: str) -> int:
        """All that anybody may ask for in an asset, and all that waits in cases: what is owed, but for roundings."""
        rewards = sum(self.pending(o, r, asset) for o, held in self.positions.items() for r in list(held))
        dues = sum(amount for (_, of), amount in self.due.items() if of == asset)
        pools = sum(p.tokens + p.aside for p in self.pools.values()) if asset == self.terms.token else 0
        return rewards + dues + pools
