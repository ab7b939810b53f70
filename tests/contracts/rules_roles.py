"""Rules of the state machine about time, the ramp, and who may do what at the store."""

from __future__ import annotations

from typing import Any

from fuzz_world import DELAY_S, GUARDIAN, LIMITS, OWNER, STRANGER
from hypothesis import strategies as st
from hypothesis.stateful import rule
from rules_pushes import NEAR, TOKENS, PushRules
from store_model import Signers
from whole_set import ZERO, key_address

CALLERS = st.sampled_from([OWNER] * 5 + [GUARDIAN, STRANGER])


class RoleRules(PushRules):
    """Owner, guardian and strangers."""

    @rule(seconds=st.sampled_from([1, 30, 60, 100, 450]))
    def wait(self, seconds: int) -> None:
        self.evm.jump(seconds)

    def asked(self, name: str, *args: Any, sender: str, expected: str) -> bool:
        """Call the store; whether it was taken."""
        self.note(f"{name} {expected or 'taken'}")
        return not self.set.refused(self.store, name, *args, sender=sender, expected=expected)

    @rule(index=st.sampled_from((*TOKENS, 9)), sender=CALLERS)
    def pause(self, index: int, sender: str) -> None:
        known, may = index in self.set.model.words, sender in {self.set.owner, self.set.guardian}
        expected = ("" if known else "UnknownIndex") if may else "NotGuardian"
        if self.asked("pause", [index], sender=sender, expected=expected):
            self.set.model.pause(index)

    @rule(index=st.sampled_from(TOKENS), sender=CALLERS)
    def resume(self, index: int, sender: str) -> None:
        if self.asked("resume", [index], sender=sender, expected="" if sender == self.set.owner else "NotOwner"):
            self.set.model.paused.discard(index)

    @rule(to=st.sampled_from([OWNER, STRANGER, ZERO]), sender=CALLERS)
    def transfer(self, to: str, sender: str) -> None:
        if self.asked("transferOwnership", to, sender=sender, expected="" if sender == self.set.owner else "NotOwner"):
            self.set.pending = to

    @rule(sender=CALLERS)
    def accept(self, sender: str) -> None:
        if self.asked("acceptOwnership", sender=sender, expected="" if sender == self.set.pending else "NotOwner"):
            self.set.owner, self.set.pending = sender, ZERO

    @rule(to=st.sampled_from([GUARDIAN, STRANGER, ZERO]), sender=CALLERS)
    def appoint(self, to: str, sender: str) -> None:
        if self.asked("setGuardian", to, sender=sender, expected="" if sender == self.set.owner else "NotOwner"):
            self.set.guardian = to

    @rule(
        name=st.sampled_from(["A/ETH", "B/ETH", "C/ETH@base#2", "T0/ETH", "", "a b", "x" * 32]),
        has=st.sampled_from([(True, True), (True, False), (False, True), (False, False)]),
        kind=st.integers(0, 2),
        sender=CALLERS,
    )
    def register(self, name: str, has: tuple[bool, bool], kind: int, sender: str) -> None:
        model = self.set.model
        index = kind << 13 | sum(i >> 13 == kind for i in model.words)
        expected = "" if any(has) else "WrongPresence"
        expected = expected if kind < len(LIMITS) else "BadClass"
        expected = "BadId" if name in {*self.set.names, "", "a b", "x" * 32} else expected
        expected = expected if sender == self.set.owner else "NotOwner"
        if self.asked("register", name.encode().ljust(32, b"\0"), *has, kind, sender=sender, expected=expected):
            self.set.names.add(name)
            model.register(index, has)

    @rule(
        members=st.lists(
            st.tuples(st.integers(0, 8), st.integers(1, 3)), min_size=1, max_size=6, unique_by=lambda m: m[0]
        ),
        spare=st.tuples(st.integers(0, 1), st.integers(0, 2)),
        fault=st.sampled_from([""] * 6 + ["nobody", "doubled", "weightless", "minority", "too much"]),
        sender=CALLERS,
    )
    def any_rotation(self, members: list[tuple[int, int]], spare: tuple[int, int], fault: str, sender: str) -> None:
        self.rotate(members, spare, fault, sender)

    def rotate(self, members: list[tuple[int, int]], spare: tuple[int, int], fault: str, sender: str) -> None:
        wrong = {"nobody": [], "doubled": [*members, members[0]], "weightless": [*members, (members[0][0], 0)]}
        members = wrong.get(fault, members)
        keys, weights = [m[0] for m in members], [m[1] for m in members]
        total = sum(weights)
        threshold = min(total, total // 2 + 1 + spare[0]) - (1 + spare[0]) * (fault == "minority")
        strong = min(total, threshold + spare[1]) + 9 * (fault == "too much")
        expected = {"": "", "nobody": "BadSettings", "minority": "BadThreshold", "too much": "BadThreshold"}
        error = expected.get(fault, "BadSigner") if sender == self.set.owner else "NotOwner"
        args = [key_address(k) for k in keys], weights, max(0, threshold), max(0, strong)
        if self.asked("setSigners", *args, sender=sender, expected=error):
            model = self.set.model
            model.now = self.evm.now
            due = model.following is not None and model.now >= model.following[1]
            epoch = (model.following[0] if due and model.following else model.signers).epoch + 1
            model.set_signers(Signers(epoch, tuple(keys), tuple(weights), threshold, strong))

    @rule(
        keys=st.lists(st.integers(0, 8), min_size=1, max_size=4, unique=True),
        late_s=st.sampled_from([0, 39, 40]),
        moves=st.tuples(NEAR, NEAR),
    )
    def hand_over(self, keys: list[int], late_s: int, moves: tuple[int, int]) -> None:
        """A whole rotation: the new set begins at its time, the old one goes on in its overlap and not after."""
        members = [(k, 1) for k in keys]
        self.rotate(members, (0, 0), "", self.set.owner)
        self.evm.jump(DELAY_S)
        for which, after_s, bps in (("following", 0, moves[0]), ("previous", late_s, moves[1])):
            self.evm.jump(after_s)
            one = {
                "market": ("by", bps),
                "redemption": ("by", 0),
                "status": 4,
                "spread": 7,
                "ages": (3, 9),
                "has": None,
            }
            self.pushes(self.batch(which, 0, [{"index": 8_192, **one}, {"index": 1, **one}], set()))

    @rule(after_s=st.sampled_from([0, 1, 50]))
    def poke(self, after_s: int) -> None:
        self.evm.jump(after_s)
        self.set.poke()
        if 0 < self.set.ramp.ppm < 1_000_000:
            self.note("poked on the way")
