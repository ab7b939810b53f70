"""Random histories on real parts from a seed: deposits, exits, freezes, a liar, and the laws that hold whatever happens."""

from __future__ import annotations

import random
from collections import Counter
from typing import NamedTuple

from tests.contracts.contract_tools import WAD
from tests.contracts.evm_process import STRANGER
from tests.contracts.stake.stake_world import DAY_S, OBSERVED_S
from tests.contracts.stake.story_sources import DelegatedPart, SymbioticPart
from tests.contracts.stake.story_world import (
    BATCH,
    DEPOSIT,
    OPERATORS,
    RESTAKER_OF,
    SEALED,
    StoryWorld,
)
from tests.contracts.stake.weights_model import Before, Rules, change_limit, model_set

LIAR = OPERATORS[-1]
HONEST = OPERATORS[:-1]
LEFT = 25 * WAD
"""Tokens that stay behind each operator: enough for the least stake."""


class Asked(NamedTuple):
    """An exit that was asked for, when these sets had been frozen, and when its operator had been asked last for the next; 0: not."""

    amount: int
    epochs: tuple[int, ...]
    seen_s: int


class Seen(NamedTuple):
    """An operator as it was observed: when, for which moment, and its stake in each source."""

    at_s: int
    moment: int
    stakes: list[int]


class StoryHistory:
    """A world that has begun, what stake there should be in it, and one act at a time."""

    def __init__(self, world: StoryWorld, seed: int) -> None:
        self.world, self.rng = world, random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.tokens = {(i, o): DEPOSIT for i, p in enumerate(world.parts) for o in OPERATORS if o in p.served}
        self.exits: dict[tuple[int, str], Asked] = {}
        self.seen: dict[str, Seen] = {}
        self.moment, self.at_moment = 0, dict[str, list[int]]()
        """Of the observations since the last freeze, and what everybody had then."""
        self.lows: dict[str, list[int]] = {o: list(s) for o, s in world.at_freeze[world.epoch].items()}
        """The lowest of each source that was seen since the last freeze."""
        self.epochs = [world.epoch]
        self.signed: dict[str, list[tuple[int, bytes]]] = {}
        """Kind and batch of everything that an honest key signed."""
        self.case: bytes | None = None
        self.frozen_last, self.was_silent = world.epoch, False
        self.acts = (
            [self.deposit] * 3 + [self.ask_exit] * 4 + [self.leave] * 4 + [self.next_epoch] * 5 + [self.sign] * 3
            + [self.observe] * 2
            + [self.prove_in_a_branch] * 3 + [self.accuse] * 2 + [self.lie, self.end_case]
        )  # fmt: skip

    def play(self, acts: int) -> Counter[str]:
        """So many acts; the laws hold after each."""
        for _ in range(acts):
            act = self.rng.choice(self.acts)
            self.counts[f"{act.__name__} {act()}"] += 1
            self.honest_lose_nothing()
        return self.counts

    def free(self, operator: str) -> bool:
        """Whether its restakers come and go: those of the liar wait for its case."""
        return operator != LIAR or self.case is None

    # ------------------------------------------------------------------------------------------------------- restakers

    def deposit(self) -> str:
        place, operator = self.rng.choice(list(self.tokens))
        if not self.free(operator):
            return "waits"
        amount = self.rng.randrange(1, 30 * WAD)
        self.world.parts[place].put_in(RESTAKER_OF[operator], operator, amount)
        self.tokens[place, operator] += amount
        self.world.evm.jump(1)
        return "taken"

    def ask_exit(self) -> str:
        place, operator = self.rng.choice(list(self.tokens))
        there = sum(n for (_, o), n in self.tokens.items() if o == operator)
        most = min(self.tokens[place, operator], there - LEFT)
        if most <= 0 or not self.free(operator) or (place, operator) in self.exits:
            return "not now"
        amount = self.rng.randrange(1, most + 1)
        self.world.parts[place].ask_exit(RESTAKER_OF[operator], operator, amount)
        seen = self.seen.get(operator)
        self.exits[place, operator] = Asked(amount, tuple(self.epochs), seen.at_s if seen else 0)
        self.tokens[place, operator] -= amount
        return "taken"

    def leave(self) -> str:
        """Early, at the last moment at which it is refused, or when it is time."""
        open_ = [e for e in self.exits if self.free(e[1])]
        if not open_:
            return "nobody"
        place, operator = self.rng.choice(open_)
        part, restaker, world = self.world.parts[place], RESTAKER_OF[operator], self.world
        when = self.rng.choice(("now", "closed", "opens", "opens"))
        if when != "now":
            closed, opens = part.opens(restaker, operator)
            self.live_until(closed if when == "closed" else opens)
        asked, before = self.exits[place, operator], world.balance(restaker)
        error = part.take_out(restaker, operator)
        if error:
            assert when != "opens" or error == "TooLate", "nobody holds it back at its time"
            if error == "TooLate":
                assert isinstance(part, DelegatedPart)
                world.ok(part.source, "lapse", operator, restaker)
                self.tokens[place, operator] += asked.amount
                del self.exits[place, operator]
            return error if error == "TooLate" else "refused"
        del self.exits[place, operator]
        assert abs(world.balance(restaker) - before - asked.amount) <= part.off_by()
        self.answered_for(operator, asked)
        return "paid"

    def answered_for(self, operator: str, asked: Asked) -> None:
        """no_stake_leaves_while_its_key_can_sign_or_be_proven: of no freeze at which it counted."""
        for epoch in asked.epochs:
            if operator in self.world.weights(epoch):
                assert self.world.evm.now > self.world.frozen(epoch)[1], (
                    "stake left that answers for words which can be proven"
                )

    # ---------------------------------------------------------------------------------------------------------- epochs

    def live_until(self, time_s: int) -> None:
        """Epochs go on meanwhile."""
        while self.world.evm.now + 2 * DAY_S < time_s:
            self.next_epoch()
        self.world.until(time_s)

    def observe(self) -> str:
        """Some operators are, within the hour before the next freeze; then others go on."""
        world = self.world
        world.until(int(world.ask(world.set, "nextRotateAt")) - self.rng.randrange(1, OBSERVED_S))
        world.evm.jump(1)
        some = self.rng.sample(OPERATORS, self.rng.randrange(1, len(OPERATORS) + 1))
        if self.of_now():
            self.moment, self.at_moment = int(world.evm.now), world.said()
        self.counts["observed for a moment that is past"] += self.moment != world.evm.now
        world.ok(world.windows, "observe", some)
        for operator in some:
            if world.ask(world.windows, "seenAt", operator) != self.moment:
                assert not world.ask(world.set, "isCandidate", operator)
                continue
            stakes = world.said(self.moment)[operator]
            self.seen[operator] = Seen(int(world.evm.now), self.moment, stakes)
            self.lows[operator] = [min(pair) for pair in zip(self.lows[operator], stakes, strict=True)]
        self.no_more_than_then(world.said(self.moment))
        world.evm.jump(1)
        return "seen"

    def of_now(self) -> bool:
        """Whether no observation binds: none was made since the last freeze, or its moment is over."""
        return not self.moment or self.world.evm.now > self.moment + OBSERVED_S

    def no_more_than_then(self, said: dict[str, list[int]]) -> None:
        """Sources whose stake moves at once say no more for a moment that is past than operators had then, and all what is there now."""
        now = self.world.said()
        for operator in HONEST:
            for place, part in enumerate(self.world.parts):
                there = now[operator][place]
                if isinstance(part, SymbioticPart):
                    there = min(there, self.at_moment[operator][place])
                assert said[operator][place] == there

    def take_seen(self, epoch: int) -> tuple[int, dict[str, int]]:
        """What a freeze took of observations: the moment of all operators, and when each was asked for it."""
        now, said = int(self.world.evm.now), self.world.at_freeze[epoch]
        capture, used = now, dict[str, Seen]()
        if not self.of_now():
            capture = self.moment
            self.no_more_than_then(said)
            used = {o: s for o, s in self.seen.items() if s.moment == capture}
            self.counts["not observed, of a moment that is past"] += len(OPERATORS) - len(used)
        said |= {o: s.stakes for o, s in used.items()}
        self.seen, self.moment = {}, 0
        self.counts["observations taken"] += len(used)
        return capture, {o: used[o].at_s if o in used else now for o in OPERATORS}

    def next_epoch(self) -> str:
        """A freeze, whose weights follow from stakes; armed or not."""
        world = self.world
        before = self.before()
        epoch = world.freeze()
        capture, asked_s = self.take_seen(epoch)
        last, self.lows = self.lows, {o: list(s) for o, s in world.at_freeze[epoch].items()}
        self.frozen_last = epoch
        if not epoch:
            self.was_silent = True
            return "silent"
        if not self.was_silent:
            self.weights_follow(epoch, last, before)
            for operator in world.weights(epoch):
                assert world.ask(world.set, "captureOf", epoch, operator) == capture
        for (place, operator), asked in self.exits.items():
            # a set that nobody armed is replaced under its number
            others = tuple(e for e in asked.epochs if e != epoch)
            counted = asked.seen_s == asked_s[operator]
            self.exits[place, operator] = asked._replace(epochs=(*others, epoch) if counted else others)
            self.counts["counted after it was asked back"] += counted
        self.was_silent = False
        if self.rng.random() < 0.15:
            world.until(int(world.ask(world.set, "nextRotateAt")))
            return "not armed"
        world.arm()
        world.take_over()
        self.epochs.append(epoch)
        return "armed"

    def before(self) -> tuple[int, int, dict[str, int]]:
        """T, W and weights by operator of the set in force, as removals left it."""
        world = self.world
        epoch, threshold, _, weights = world.ask(world.store, "signerSet")
        operators = world.members(epoch)[1]
        return int(threshold), sum(weights), dict(zip(operators, weights, strict=True))

    def weights_follow(self, epoch: int, last: dict[str, list[int]], before: tuple[int, int, dict[str, int]]) -> None:
        """weights_equal_stakes_at_capture_under_the_caps: of each source the lower of this freeze and all since the one before."""
        world, rules = self.world, self.world.rules
        threshold, total, previous = before
        now = world.at_freeze[epoch]
        weights = world.weights(epoch)
        counts = {o: sum(min(pair) for pair in zip(last[o], now[o], strict=True)) for o in OPERATORS}
        least = int(str(rules["minStake"]))
        members = [o for o in OPERATORS if world.ask(world.set, "isCandidate", o) and counts[o] >= least]
        assert set(weights) == set(members)
        model = model_set(
            [counts[o] for o in members],
            [previous.get(o, 0) for o in members],
            Before(threshold, change_limit(threshold, total)),
            Rules(int(str(rules["capBps"])), int(str(rules["thresholdBps"])), int(str(rules["stepBps"]))),
        )
        assert tuple(weights[o] for o in members) == model.weights
        assert world.frozen(epoch)[2:] == (model.threshold, model.total)

    # ----------------------------------------------------------------------------------------------------------- words

    def member_key(self, epoch: int, operator: str) -> str:
        keys, operators, _ = self.world.members(epoch)
        return keys[operators.index(operator)]

    def sign(self) -> str:
        """An honest operator's batch and certificate of a round, which say the same."""
        self.world.evm.jump(1)
        operator, epoch = self.rng.choice(HONEST), self.world.epoch
        if operator not in self.world.weights(epoch):
            return "no member"
        batch = self.world.batch(epoch, self.rng.choice((WAD, WAD + 1)))
        self.signed.setdefault(self.member_key(epoch, operator), []).extend([(BATCH, batch), (SEALED, batch)])
        return "signed"

    def accuse(self) -> str:
        """no_honest_operator_loses_stake: whatever pair of its words is shown, or of two operators'."""
        if len(self.signed) < 2:
            return "nothing"
        first, second = self.rng.sample(list(self.signed), 2)
        for a, b in ((first, first), (first, second)):
            words = [self.world.word(k, *self.rng.choice(self.signed[k])) for k in (a, b)]
            error = self.world.evm.call(self.world.penalties, "prove", *words, 0, sender=STRANGER)[0]
            assert error in {"NoContradiction", "TwoOperators"}
        return "refused"

    def lie(self) -> str:
        """The liar's, proven and not given back."""
        epoch = self.world.epoch
        if self.case is not None or not self.world.weights(epoch).get(LIAR):
            return "not now"
        if self.world.frozen(epoch)[1] < self.world.evm.now:
            return "of no use: no set was armed for days"
        self.case = self.world.prove(self.world.lie(self.member_key(epoch, LIAR), epoch))
        return "proven"

    def end_case(self) -> str:
        if self.case is None:
            return "none"
        until = int(self.world.ask(self.world.penalties, "caseOf", self.case)[2])
        self.live_until(until)
        error = self.world.evm.call(self.world.penalties, "carryOut", self.case, sender=STRANGER)[0]
        return error or "carried out"

    def prove_in_a_branch(self) -> str:
        """Words of any epoch that can be proven are proven, to its last second, of as much as the weight that they had."""
        world = self.world
        epochs = [e for e in self.epochs if world.frozen(e)[1] >= world.evm.now]
        operator = self.rng.choice(HONEST)
        if not epochs or operator not in world.weights(epoch := self.rng.choice(epochs)):
            return "nobody"
        capture, provable_until = int(world.ask(world.set, "captureOf", epoch, operator)), world.frozen(epoch)[1]
        with world.branch():
            if last := self.rng.random() < 0.5:
                world.until(provable_until)
            words = world.lie(self.member_key(epoch, operator), epoch)
            before = self.slashable(operator, capture)
            case = world.prove(words)
            fraction = int(world.ask(world.penalties, "caseOf", case)[4])
            aside = before - self.slashable(operator, capture)
            least = world.weights(epoch)[operator] * fraction // WAD
            assert aside >= least - 2 * len(world.parts), "weight stands for stake that cannot be slashed"
        return "at the last second" if last else "proven"

    def slashable(self, operator: str, capture: int) -> int:
        return sum(int(self.world.ask(s, "slashableOf", operator, capture)) for s in self.world.sources)

    # ------------------------------------------------------------------------------------------------------------ laws

    def honest_lose_nothing(self) -> None:
        """Stake of an honest operator is what its restakers put there and did not ask back."""
        for operator in HONEST:
            for place, source in enumerate(self.world.sources):
                tokens = self.tokens.get((place, operator), 0)
                stake = int(self.world.ask(source, "stakeOf", operator))
                assert abs(stake - self.world.value(tokens)) <= self.world.parts[place].off_by() * 2
            assert self.world.ask(self.world.set, "isCandidate", operator) is True
