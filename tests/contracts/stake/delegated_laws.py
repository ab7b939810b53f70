"""The laws of delegated stake, held against the contract's own answers after every step."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from tests.contracts.stake.delegated_model import DelegatedModel
from tests.contracts.stake.delegated_world import OPERATORS, RESTAKERS, WINDOW_S, DelegatedWorld

EVERYBODY = (*RESTAKERS, *OPERATORS)
"""Operators delegate to themselves and to others too."""
POOL_TOKENS, POOL_SHARES, POOL_LEAVING, POOL_ASIDE = 0, 1, 3, 11
SHARES, TOKENS, VALUE, LEAVING, OPENS_AT, CLOSES_AT, PENDING = 1, 2, 3, 4, 5, 6, 9
"""Places in the answers of `poolOf` and `positionOf`."""


@dataclass(slots=True)
class Epoch:
    """A set that was frozen: until when its words can be proven, and what did not count in it, by restaker."""

    operator: str
    until: int
    uncounted: dict[str, int]


class DelegatedLaws:
    """Everything here is read from the contract or follows from what was asked of it, not from the model's state."""

    def __init__(self, world: DelegatedWorld, model: DelegatedModel) -> None:
        self.world, self.model, self.calls = world, model, world.calls
        self.epochs: list[Epoch] = []
        self.promised: dict[tuple[str, str], int] = {}
        self.surplus = dict.fromkeys(world.terms.assets, 0)
        """Units of each asset that nobody is owed: donations."""

    def holding(self, operator: str, restaker: str) -> tuple[int, ...]:
        return self.calls.words("positionOf", operator, restaker)

    # --- no_stake_leaves_while_its_key_can_sign_or_be_proven -----------------------------------------------------------

    def frozen(self, operator: str) -> None:
        """From here on whatever is not on its way out answers for the epoch."""
        now = self.world.now
        self.epochs = [e for e in self.epochs if e.until >= now]
        uncounted = {who: self.model.positions[operator][who].leaving for who in EVERYBODY}
        pool, leaving = self.calls.words("poolOf", operator), sum(uncounted.values())
        assert pool[POOL_LEAVING] == leaving
        counted = (pool[POOL_SHARES] - leaving) * pool[POOL_TOKENS] // pool[POOL_SHARES]
        assert self.calls.number("stakeOf", operator) == counted * self.world.rate() // 10**18
        self.epochs.append(Epoch(operator, self.world.side.bound_until(operator), uncounted))

    def asked(self, operator: str, restaker: str) -> None:
        """What was on its way out begins anew with each request: it may have counted in between."""
        for epoch in self.epochs:
            if epoch.operator == operator and epoch.until >= self.world.now:
                epoch.uncounted[restaker] = 0

    def left(self, operator: str, restaker: str, shares: int) -> None:
        now = self.world.now
        for epoch in self.epochs:
            if epoch.operator == operator and epoch.until >= now:
                epoch.uncounted[restaker] -= shares
                assert epoch.uncounted[restaker] >= 0, "stake left that answers for words which can still be proven"

    # --- totals_are_conserved_to_the_wei ---------------------------------------------------------------------------------

    def conserved(self, asset: str) -> None:
        """The purse holds what is owed and what was given, to the unit."""
        owed = self.calls.number("owed", asset)
        assert owed == self.model.owed[asset]
        assert self.world.purse(self.world.source, asset) == owed + self.surplus[asset]

    def all_conserved(self) -> None:
        """What is owed is pools, cases, rewards and dues, asked for one by one; roundings stay in the contract."""
        pools = [self.calls.words("poolOf", o) for o in OPERATORS]
        held = [self.holding(o, w) for o in OPERATORS for w in EVERYBODY]
        for place, asset in enumerate(self.world.terms.assets):
            parts = sum(one[PENDING + place] for one in held)
            parts += sum(self.calls.number("dueOf", w, asset) for w in (*EVERYBODY, self.world.terms.treasury))
            if asset == self.world.token:
                parts += sum(p[POOL_TOKENS] + p[POOL_ASIDE] for p in pools)
                cases = sum(self.calls.words("asideOf", case)[1] for case in self.model.cases)
                assert cases == sum(p[POOL_ASIDE] for p in pools)
            assert parts == self.model.parts(asset)
            assert parts <= self.calls.number("owed", asset)
            self.conserved(asset)

    def same(self, operator: str, restaker: str = "") -> None:
        """What the contract answers is what the model holds."""
        pool = self.model.pools[operator]
        assert self.calls.words("poolOf", operator) == pool.words()
        assert pool.tokens <= pool.shares, "a share is worth more than a token"
        if restaker:
            position, now = self.model.positions[operator][restaker], self.world.now
            held = self.holding(operator, restaker)
            closes_at = self.model.closes_at(operator, restaker, now) if position.leaving else 0
            assert held[SHARES : TOKENS + 1] == (position.shares, pool.tokens_of(position.shares))
            assert held[LEAVING : CLOSES_AT + 1] == (position.leaving, position.opens_at, closes_at)
            pending = tuple(self.model.pending(operator, restaker, a) for a in self.world.terms.assets)
            assert held[PENDING:] == pending

    # --- losses_and_rewards_are_pro_rata -----------------------------------------------------------------------------

    def part(self, operator: str, restaker: str) -> Fraction:
        shares = self.calls.words("poolOf", operator)[POOL_SHARES]
        return Fraction(self.holding(operator, restaker)[SHARES], shares) if shares else Fraction(0)

    def loss(self, before: dict[str, Fraction], operator: str) -> None:
        """Each has the same part of the pool as before, and its tokens are that part, less than one unit rounded down."""
        tokens = self.calls.words("poolOf", operator)[POOL_TOKENS]
        for restaker, part in before.items():
            held = self.holding(operator, restaker)
            assert self.part(operator, restaker) == part
            assert 0 <= part * tokens - held[TOKENS] < 1

    def shared(self, operator: str, restaker: str, place: int, before: int, to_pool: int) -> None:
        """A reward raises what is pending by the part of it, to less than a unit, and sums of rewards never by more than all of them."""
        held, shares = self.holding(operator, restaker), self.calls.words("poolOf", operator)[POOL_SHARES]
        due = Fraction(held[SHARES] * to_pool, shares or 1)
        assert -1 < due - (held[PENDING + place] - before) < 1 + Fraction(shares, 2**96)

    # --- nobody_holds_a_bond_hostage ---------------------------------------------------------------------------------

    def promise(self, operator: str, restaker: str, opens_at: int) -> None:
        """An exit opens within a bounded time, and nothing that others do afterwards moves it."""
        self.promised.pop((operator, restaker), None)
        if opens_at:
            assert opens_at - self.world.now <= max(self.world.side.answer_s + 1, WINDOW_S)
            self.promised[operator, restaker] = opens_at

    def kept(self, operator: str, restaker: str) -> None:
        held = self.holding(operator, restaker)
        if held[LEAVING]:
            assert held[OPENS_AT] == self.promised[operator, restaker]
            assert held[CLOSES_AT] >= held[OPENS_AT] + WINDOW_S
