"""A risk steward as a model, from what docs/contracts.md says of it: it keeps what pokes have seen, not clocks."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field

from tests.contracts.steward_world import CALM_S, MAX_AGE_S, PUT_OFF_S, SILENT, Rule


@dataclass(frozen=True)
class Poke:
    """When it was, which condition it saw, and the record's round."""

    at_s: int
    seen: int
    round_s: int

    @property
    def calm(self) -> bool:
        return bool(self.seen >> 16 & 0xFFFF)


@dataclass
class RuleModel:
    """One rule, and the pokes since it was last at rest."""

    rule: Rule
    pokes: list[Poke] = field(default_factory=list)
    done: bool = False
    put_off_until_s: int = 0

    @property
    def run(self) -> list[Poke]:
        """The pokes that met it one after the other; a silence is no break of what is signed, a new record one of a silence."""
        found: list[Poke] = []
        for poke in self.pokes:
            if self.rule.when == SILENT:
                found = [] if poke.seen != SILENT else [*(p for p in found if p.round_s == poke.round_s), poke]
            elif poke.seen & self.rule.when:
                found.append(poke)
            elif poke.seen != SILENT:
                found = []
        return found

    def acts(self, poke: Poke) -> bool:
        if self.done:
            self.done, self.pokes = not poke.calm, []
            return False
        self.pokes.append(poke)
        run = self.run
        if not run or run[-1] is not poke:
            return False
        in_time = poke.at_s >= max(run[0].at_s + self.rule.delay_s, self.put_off_until_s)
        confirmed = not self.rule.delay_s or self.rule.when == SILENT or poke.round_s != run[0].round_s
        self.done = in_time and confirmed
        return self.done


@dataclass
class StewardModel:
    """The steward, and the two settings of Aave's that it may change. ``before``, ``froze``: what it changed."""

    rules: list[RuleModel]
    ltv: int
    threshold: int
    frozen: bool = False
    before: tuple[int, int] | None = None
    froze: bool = False
    calm: list[Poke] = field(default_factory=list)
    state_reason: int = 0
    round_s: int = 0
    acted: bool = False

    def seen(self, now_s: int) -> Poke:
        too_old = self.round_s + MAX_AGE_S < now_s
        return Poke(now_s, SILENT if too_old else 1 << self.state_reason, self.round_s)

    @property
    def others_changed(self) -> bool:
        terms = self.before is not None and (self.ltv, self.threshold) != (0, self.before[1])
        return terms or (self.froze and not self.frozen)

    def forget(self) -> None:
        self.before, self.froze, self.calm = None, False, []

    def poke(self, now_s: int) -> None:
        poke = self.seen(now_s)
        due = [one.rule for one in self.rules if one.acts(poke)]
        for rule in due:
            self._act(rule)
        self.acted = bool(due)
        changed = self.before is not None or self.froze
        self.calm = [*self.calm, poke] if poke.calm and changed else []

    def _act(self, rule: Rule) -> None:
        if self.others_changed:
            self.forget()
        if rule.zero_ltv and self.ltv:
            self.before, self.ltv = (self.ltv, self.threshold), 0
        if rule.freeze and not self.frozen:
            self.frozen = self.froze = True

    def put_off(self, rule: int, now_s: int) -> str:
        one = self.rules[rule]
        if one.done or not one.run:
            return "NotArmed"
        if one.put_off_until_s and now_s < one.put_off_until_s + PUT_OFF_S:
            return "PutOffBefore"
        one.put_off_until_s = now_s + PUT_OFF_S
        return ""

    def restore(self, now_s: int, *, guardian: bool) -> str:
        """A refusal undoes the poke too, which is then as if it had not been; what such a poke would change is not restored."""
        if self.before is None and not self.froze:
            return "NothingToRestore"
        before = deepcopy(vars(self))
        self.poke(now_s)
        error = self._refusal(now_s, guardian)
        if error:
            vars(self).update(before)
            return error
        self.ltv = self.before[0] if self.before else self.ltv
        self.frozen = self.frozen and not self.froze
        self.forget()
        return ""

    def _refusal(self, now_s: int, guardian: bool) -> str:
        poke = self.seen(now_s)
        long = self.calm and now_s >= self.calm[0].at_s + CALM_S and poke.round_s != self.calm[0].round_s
        if not poke.calm or not (guardian or long):
            return "NotCalm"
        return "ChangedSince" if self.others_changed else ""
