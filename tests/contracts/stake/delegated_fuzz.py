"""A seeded walk through delegated stake: one call at a time, each with the model's outcome, the laws after each."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from tests.contracts.evm_process import GUARDIAN, OWNER, STRANGER, TREASURY, Evm
from tests.contracts.stake.delegated_laws import (
    EVERYBODY,
    PENDING,
    POOL_TOKENS,
    SHARES,
    DelegatedLaws,
)
from tests.contracts.stake.delegated_model import WAD, DelegatedModel
from tests.contracts.stake.delegated_world import (
    DAY,
    ETHER,
    MAX_COMMISSION_BPS,
    OPERATORS,
    PENALTIES,
    RESTAKERS,
    REWARDS,
    WINDOW_S,
    BoundSide,
    DelegatedWorld,
    SetSide,
    word,
)
from tests.contracts.store_words import ModelRefused

EVERY = 250
"""Steps between two looks at everything; what a step touches is looked at after each."""


class Exit(NamedTuple):
    operator: str
    restaker: str


class DelegatedFuzz:
    """The contract beside its model, and one step at a time."""

    def __init__(self, seed: int, side: Callable[[Evm, str], SetSide] = BoundSide) -> None:
        self.rng = random.Random(seed)
        self.world = DelegatedWorld(side)
        self.calls, self.model = self.world.calls, DelegatedModel(self.world.terms)
        self.laws = DelegatedLaws(self.world, self.model)
        self.counts: Counter[str] = Counter()
        self.steps = 0
        self.open: dict[str, list[bytes]] = {o: [] for o in OPERATORS}
        self.exits: list[Exit] = []
        for operator in OPERATORS[:3]:
            self.enroll(operator, 500)
        kinds: dict[Callable[[], str], int] = {
            self.deposit: 9, self.request: 8, self.withdraw: 5, self.lapse: 3, self.jump: 7, self.freeze: 4,
            self.prove: 4, self.settle: 6, self.reward: 8, self.claim: 5, self.collect: 4, self.commission: 3,
            self.rebase: 3, self.donate: 1, self.stranger: 1, self.leave_in_time: 3, self.let_lapse: 2,
        }  # fmt: skip
        self.kinds = [kind for kind, times in kinds.items() for _ in range(times)]

    def step(self) -> None:
        """One call or a few; whatever they do, contract and model agree afterwards and the laws hold."""
        kind = self.rng.choice(self.kinds)
        self.counts[f"{kind.__name__} {kind() or 'taken'}"] += 1
        self.laws.conserved(self.world.token)
        self.steps += 1
        if self.steps % EVERY == 0:
            self.look_at_everything()

    def look_at_everything(self) -> None:
        self.laws.all_conserved()
        for operator in OPERATORS:
            for restaker in EVERYBODY:
                self.laws.same(operator, restaker)
                self.laws.kept(operator, restaker)

    # ------------------------------------------------------------------------------------------------------- outcomes

    def outcome(self, call: tuple[str, tuple[int, ...]], model: Callable[[], object]) -> tuple[str, object]:
        """Both do the same: the error, and what the model answers."""
        refused, answer = "", None
        try:
            answer = model()
        except ModelRefused as e:
            refused = str(e)
        assert call[0] == refused
        if isinstance(answer, int) and call[1]:
            assert call[1][0] == answer
        return refused, answer

    def somebody(self) -> tuple[str, str]:
        if self.exits and self.rng.random() < 0.3:
            return self.rng.choice(self.exits)
        return self.rng.choice(OPERATORS), self.rng.choice(EVERYBODY if self.rng.random() < 0.2 else RESTAKERS)

    def enroll(self, operator: str, bps: int) -> str:
        call = self.calls("enroll", bps, sender=operator)
        return self.outcome(call, lambda: self.model.enroll(operator, bps))[0]

    # ------------------------------------------------------------------------------------------------------ restakers

    def deposit(self) -> str:
        operator, who = self.somebody()
        amount = self.rng.choice((0, 1, 7, self.rng.randrange(1, 10**6), *[self.rng.randrange(1, 10**23)] * 4, 2**96))
        call = self.calls("deposit", operator, amount, sender=who)
        error, _ = self.outcome(call, lambda: self.model.deposit(operator, who, amount, self.world.now))
        self.laws.same(operator, who)
        return error

    def holders(self) -> list[tuple[str, str]]:
        return [(o, w) for o, held in self.model.positions.items() for w, one in held.items() if one.shares]

    def request(self) -> str:
        holders = self.holders() if self.rng.random() < 0.7 else []
        operator, who = self.rng.choice(holders) if holders else self.somebody()
        held = self.model.positions[operator][who].shares
        shares = self.rng.choice((0, held, held, held // 2, self.rng.randrange(held + 1), held + 1))
        bound = self.world.side.bound_until(operator)
        call = self.calls("requestExit", operator, shares, sender=who)
        error, opens_at = self.outcome(call, lambda: self.model.request(operator, who, shares, bound, self.world.now))
        if not error:
            self.laws.asked(operator, who)
            self.laws.promise(operator, who, int(str(opens_at)))
            self.exits = [e for e in self.exits if e != (operator, who)][-20:]
            if shares:
                self.exits.append(Exit(operator, who))
        self.laws.same(operator, who)
        return error

    def withdraw(self, at: Exit | None = None) -> str:
        operator, who = at or self.somebody()
        shares, before = self.model.positions[operator][who].leaving, self.world.purse(who, self.world.token)
        call = self.calls("withdraw", operator, sender=who)
        error, tokens = self.outcome(call, lambda: self.model.withdraw(operator, who, self.world.now))
        if not error:
            self.laws.left(operator, who, shares)
            self.exits.remove(Exit(operator, who))
            assert self.world.purse(who, self.world.token) == before + int(str(tokens))
        self.laws.same(operator, who)
        return error

    def lapse(self, at: Exit | None = None) -> str:
        operator, who = at or self.somebody()
        call = self.calls("lapse", operator, who, sender=STRANGER)
        error, _ = self.outcome(call, lambda: self.model.lapse(operator, who, self.world.now))
        if not error:
            self.exits.remove(Exit(operator, who))
        self.laws.same(operator, who)
        return error

    def usable_exit(self) -> Exit | None:
        """One whose shares were not taken meanwhile, its cases settled and its time come."""
        there = [e for e in self.exits if self.model.positions[e.operator][e.restaker].leaving]
        if not there:
            return None
        one = self.rng.choice(there)
        while self.open[one.operator]:
            self.settle(one.operator)
        return one if self.model.positions[one.operator][one.restaker].leaving else None

    def leave_in_time(self) -> str:
        """Nobody holds a bond hostage: at its time an exit is paid, whatever happened since it was asked for."""
        one = self.usable_exit()
        if one is None:
            return "nothing"
        opens_at = self.laws.promised[one]
        if self.world.now < opens_at:
            self.world.evm.jump(opens_at - 1 - self.world.now)
            assert self.withdraw(one) == "TooEarly"
            self.world.evm.jump(1)
        if self.world.now > self.model.closes_at(*one, self.world.now):
            return "late"
        assert self.withdraw(one) == ""
        return ""

    def let_lapse(self) -> str:
        """An exit lapses if it is not taken: it cannot be withdrawn any more, and counts again."""
        one = self.usable_exit()
        if one is None:
            return "nothing"
        closes_at = self.model.closes_at(*one, self.world.now)
        if self.world.now <= closes_at:
            self.world.evm.jump(closes_at - self.world.now)
            assert self.lapse(one) == "NotLapsed"
            self.world.evm.jump(1)
        assert self.withdraw(one) == "TooLate"
        before = self.calls.number("stakeOf", one.operator)
        assert self.lapse(one) == ""
        assert self.calls.number("stakeOf", one.operator) >= before
        assert self.withdraw_nothing(one) == "NothingLeaving"
        return ""

    def withdraw_nothing(self, one: Exit) -> str:
        return self.calls("withdraw", one.operator, sender=one.restaker)[0]

    # ----------------------------------------------------------------------------------------------- time and epochs

    def jump(self) -> str:
        longest = self.rng.choice((60, DAY, WINDOW_S, self.world.side.answer_s))
        self.world.evm.jump(self.rng.randrange(1, longest))
        return ""

    def freeze(self) -> str:
        members = tuple(o for o in OPERATORS if self.model.stake_tokens(o) and self.rng.random() < 0.7)
        for operator in self.world.side.freeze(members):
            self.laws.frozen(operator)
        return "" if members else "nobody"

    def rebase(self) -> str:
        total = self.world.evm.ok(self.world.diva, "totalEther")
        self.world.rebase(min(max(total * self.rng.randrange(700, 1_400) // 1_000, 10**30), 10**33))
        return ""

    # ------------------------------------------------------------------------------------------------------ penalties

    def prove(self) -> str:
        operator = self.rng.choice(OPERATORS)
        if self.world.side.bound_until(operator) < self.world.now:
            return "too old"
        fraction = self.rng.choice((1, WAD // 100, WAD // 2, self.rng.randrange(1, WAD), WAD - 1, WAD, WAD + 1))
        used = tuple(self.model.cases)
        case = self.rng.choice(used) if used and self.rng.random() < 0.1 else word(self.rng.getrandbits(200))
        some = {who: self.laws.part(operator, who) for who in self.rng.sample(EVERYBODY, 2)}
        call = self.calls("seize", operator, fraction, self.world.now, case, sender=PENALTIES)
        error, tokens = self.outcome((call[0], ()), lambda: self.model.seize(operator, fraction, case, self.world.now))
        if not error:
            self.open[operator].append(case)
            rate = self.world.rate()
            assert call[1] == (int(str(tokens)) * rate // WAD,)
            self.laws.loss(some, operator)
        self.laws.same(operator)
        return error

    def settle(self, operator: str = "") -> str:
        waiting = [o for o in OPERATORS if self.open[o]]
        operator = operator or self.rng.choice(waiting if waiting and self.rng.random() < 0.8 else OPERATORS)
        cases = self.open[operator]
        over = [case for case, (_, tokens) in self.model.cases.items() if not tokens]
        case = self.rng.choice(cases or over or [word(1)])
        some = {who: self.laws.part(operator, who) for who in self.rng.sample(EVERYBODY, 2)}
        generation = self.model.pools[operator].generation
        error = self.give_back(case) if self.rng.random() < 0.4 else self.take(case)
        if not error:
            cases.remove(case)
            if self.model.pools[operator].generation == generation:
                self.laws.loss(some, operator)
            else:
                self.counts["generation ended"] += 1
                self.exits = [e for e in self.exits if e.operator != operator]
        self.laws.same(operator, self.rng.choice(EVERYBODY))
        return error

    def give_back(self, case: bytes) -> str:
        call = self.calls("restore", case, sender=PENALTIES)
        return self.outcome(call, lambda: self.model.restore(case, self.world.now))[0]

    def take(self, case: bytes) -> str:
        finder = self.rng.choice((GUARDIAN, ETHER))
        bps = self.rng.choice((0, 100, 500, 501, 10_000))
        before = [self.world.purse(who, self.world.token) for who in (GUARDIAN, TREASURY)]
        call = self.calls("take", case, finder, bps, sender=PENALTIES)
        due = bps if finder == GUARDIAN else 0
        error, paid = self.outcome((call[0], ()), lambda: self.model.take(case, due, self.world.now))
        if isinstance(paid, tuple):
            after = [self.world.purse(who, self.world.token) for who in (GUARDIAN, TREASURY)]
            assert [a - b for a, b in zip(after, before, strict=True)] == list(paid)
        return error

    # -------------------------------------------------------------------------------------------------------- rewards

    def reward(self) -> str:
        operator, who = self.somebody()
        place = self.rng.randrange(len(self.world.terms.assets))
        asset = self.world.terms.assets[place]
        amount = self.rng.choice((0, 1, self.rng.randrange(1, 10**7), self.rng.randrange(1, 10**20)))
        before = self.laws.holding(operator, who)[PENDING + place]
        if self.rng.random() < 0.05 and amount and self.laws.surplus[asset] < amount:
            call = self.calls("reward", 1, operator, asset, amount, sender=REWARDS)
            assert call[0] == "NotReceived"
            return "NotReceived"
        assert self.world.pay_reward(operator, asset, amount)[0] == ""
        commission, to_pool = self.model.reward(operator, asset, amount, self.world.now)
        assert commission + to_pool == amount
        self.laws.shared(operator, who, place, before, to_pool)
        self.laws.conserved(asset)
        self.laws.same(operator, who)
        return ""

    def claim(self) -> str:
        operator, who = self.somebody()
        asset = self.rng.choice(self.world.terms.assets)
        before = self.world.purse(who, asset)
        call = self.calls("claim", asset, operator, sender=who)
        error, amount = self.outcome(call, lambda: self.model.claim(operator, who, asset))
        assert self.world.purse(who, asset) == before + int(str(amount or 0))
        self.laws.conserved(asset)
        self.laws.same(operator, who)
        return error

    def collect(self) -> str:
        who, asset = self.rng.choice(OPERATORS), self.rng.choice(self.world.terms.assets)
        own, before = self.rng.random() < 0.5, self.world.purse(who, asset)
        own_call = ("claimCommission", asset) if own else ("collectFor", who, asset)
        call = self.calls(*own_call, sender=who if own else STRANGER)
        error, amount = self.outcome(call, lambda: self.model.collect(who, asset))
        assert self.world.purse(who, asset) == before + int(str(amount or 0))
        self.laws.conserved(asset)
        return error

    def commission(self) -> str:
        operator, bps = self.rng.choice(OPERATORS), self.rng.randrange(MAX_COMMISSION_BPS + 50)
        if self.rng.random() < 0.1:
            return self.enroll(operator, bps)
        call = self.calls("setCommission", bps, sender=operator)
        error, _ = self.outcome(call, lambda: self.model.set_commission(operator, bps, self.world.now))
        assert self.calls.number("commissionOf", operator) == self.model.pools[operator].commission(self.world.now)
        self.laws.same(operator)
        return error

    # --------------------------------------------------------------------------------------------------------- others

    def donate(self) -> str:
        """A gift moves nothing, whoever it comes from."""
        asset, amount = self.rng.choice((self.world.coin, self.world.token)), self.rng.randrange(1, 10**12)
        assert not self.world.money[asset]("transfer", self.world.source, amount, sender=REWARDS)[0]
        self.laws.surplus[asset] += amount
        self.laws.conserved(asset)
        operator = self.rng.choice(OPERATORS)
        self.laws.same(operator, self.rng.choice(EVERYBODY))
        return ""

    def stranger(self) -> str:
        operator = self.rng.choice(OPERATORS)
        sender = self.rng.choice((STRANGER, OWNER, operator, *RESTAKERS))
        case = word(7)
        calls = (
            ("seize", operator, WAD, 0, case), ("restore", case), ("take", case, sender, 500),
            ("reward", 1, operator, ETHER, 0),
        )  # fmt: skip
        for one in calls:
            assert self.calls(*one, sender=sender)[0] == "NotAllowed"
        assert self.calls("connect", sender, sender, sender, sender=OWNER)[0] == "BadConnection"
        assert self.laws.holding(operator, STRANGER)[SHARES] == 0
        assert self.calls.words("poolOf", operator)[POOL_TOKENS] == self.model.pools[operator].tokens
        return ""
