"""Rules of the state machine about time, the ramp, and who may do what at the store."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.contracts.evm_process import DELAY_S, GUARDIAN, LIMITS, OWNER, STRANGER, signature
from tests.contracts.rules_pushes import NEAR, TOKENS, PushMachine
from tests.contracts.store_words import ModelRefused, Signers
from tests.contracts.whole_set import ZERO, key_address

CALLERS = st.sampled_from([OWNER] * 5 + [GUARDIAN, STRANGER])


class RoleRules(PushMachine):
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
            self.set.model.resume(index)

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

    @rule(to=st.sampled_from([GUARDIAN, STRANGER, ZERO]), sender=CALLERS)
    def appoint_a_set_owner(self, to: str, sender: str) -> None:
        if self.asked("setSetOwner", to, sender=sender, expected="" if sender == self.set.owner else "NotOwner"):
            self.set.set_owner = to

    @rule(
        members=st.lists(
            st.tuples(st.integers(0, 8), st.integers(1, 3)), min_size=1, max_size=6, unique_by=lambda m: m[0]
        ),
        spare=st.tuples(st.integers(0, 1), st.integers(0, 2)),
        fault=st.sampled_from([""] * 6 + ["nobody", "doubled", "weightless", "minority", "too much"]),
        sender=CALLERS,
        emergency=st.sampled_from([False, False, False, True]),
    )
    def any_rotation(
        self, *, members: list[tuple[int, int]], spare: tuple[int, int], fault: str, sender: str, emergency: bool
    ) -> None:
        self.rotate(members, spare, fault, sender, emergency=emergency)

    def rotate(
        self,
        members: list[tuple[int, int]],
        spare: tuple[int, int],
        fault: str,
        sender: str,
        *,
        emergency: bool = False,
    ) -> None:
        wrong = {"nobody": [], "doubled": [*members, members[0]], "weightless": [*members, (members[0][0], 0)]}
        members = wrong.get(fault, members)
        keys, weights = [m[0] for m in members], [m[1] for m in members]
        total = sum(weights)
        threshold = min(total, total // 2 + 1 + spare[0]) - (1 + spare[0]) * (fault == "minority")
        strong = min(total, threshold + spare[1]) + 9 * (fault == "too much")
        expected = {"": "", "nobody": "BadSettings", "minority": "BadThreshold", "too much": "BadThreshold"}
        model = self.set.model
        model.now = self.evm.now
        model.move_on()
        trusted = sender == self.set.set_owner and not model.emergency and not emergency
        refused = "NotOwner" if emergency else "NotSetOwner"
        error = expected.get(fault, "BadSigner") if sender == self.set.owner or trusted else refused
        args = [key_address(k) for k in keys], weights, max(0, threshold), max(0, strong)
        name = "setSignersInEmergency" if emergency else "setSigners"
        if self.asked(name, *args, sender=sender, expected=error):
            following = Signers(model.signers.epoch + 1, tuple(keys), tuple(weights), threshold, strong)
            model.set_signers(following, emergency=emergency)

    @rule(
        keys=st.lists(st.integers(0, 8), min_size=3, max_size=4, unique=True),
        absent=st.sets(st.integers(0, 3), max_size=3),
        good=st.sampled_from([True, True, False]),
        after_s=st.sampled_from([0, 0, 69, 70]),
    )
    def rotate_and_arm(self, *, keys: list[int], absent: set[int], good: bool, after_s: int) -> None:
        """In time or a second too late, by enough of the next set or not."""
        self.rotate([(k, 1) for k in keys], (0, 0), "", self.set.owner)
        self.evm.jump(after_s)
        self.arm(absent, good=good)

    @rule(absent=st.sets(st.integers(0, 5), max_size=2), good=st.sampled_from([True, True, True, False]))
    def any_arming(self, absent: set[int], *, good: bool) -> None:
        self.arm(absent, good=good)

    def arm(self, absent: set[int], *, good: bool = True) -> None:
        """By a stranger, with the signatures of the next set, or of the present one where there is none."""
        model, expected = self.set.model, ""
        model.now = self.evm.now
        model.move_on()
        one = model.following or model.signers
        who = [i for i in range(len(one.keys)) if i not in absent]
        error, digest = self.evm.call(self.store, "armDigest")
        digest = digest if good and not error else b"\1" * 32
        signed = b"".join(bytes([i]) + signature(one.keys[i], digest) for i in who)
        try:
            model.arm(who, [good] * len(who))
        except ModelRefused as e:
            expected = str(e)
        assert (error == "NothingToArm") is (expected == "NothingToArm")
        self.asked("arm", signed, sender=STRANGER, expected=expected)

    @rule(
        which=st.sampled_from([0, 0, 1, -1, 7]),
        indexes=st.lists(st.integers(0, 6), max_size=2),
        sender=st.sampled_from([OWNER, OWNER, GUARDIAN, STRANGER]),
    )
    def any_removal(self, which: int, indexes: list[int], sender: str) -> None:
        model, expected = self.set.model, ""
        model.now = self.evm.now
        model.move_on()
        epoch = max(0, model.signers.epoch + which)
        if sender not in {self.set.owner, self.set.set_owner}:
            expected = "NotSetOwner"
        else:
            try:
                model.remove(epoch, indexes)
            except ModelRefused as e:
                expected = str(e)
        self.asked("removeSigners", epoch, indexes, sender=sender, expected=expected)

    @rule(
        keys=st.lists(st.integers(0, 8), min_size=1, max_size=4, unique=True),
        late_s=st.sampled_from([0, 39, 40]),
        moves=st.tuples(NEAR, NEAR),
        emergency=st.sampled_from([False, False, True]),
    )
    def hand_over(self, *, keys: list[int], late_s: int, moves: tuple[int, int], emergency: bool) -> None:
        """A whole rotation: the new set begins at its time, the old one's last rounds are taken in its overlap."""
        self.rotate([(k, 1) for k in keys], (0, 0), "", self.set.owner, emergency=emergency)
        if not emergency:
            self.arm(set())
        self.evm.jump(DELAY_S)
        for which, after_s, ahead_s, bps in (
            ("following", 0, 0, moves[0]),
            ("previous", late_s, -late_s - 1, moves[1]),
        ):
            self.evm.jump(after_s)
            one = {
                "market": ("by", bps),
                "redemption": ("by", 0),
                "status": 1,
                "spread": 7,
                "ages": (3, 9),
                "has": None,
            }
            index = 8_192 if which == "following" else 1
            self.pushes(self.batch(which, ahead_s, [{"index": index, **one}], set()))

    @rule(after_s=st.sampled_from([0, 1, 50]))
    def poke(self, after_s: int) -> None:
        self.evm.jump(after_s)
        self.set.poke()
        if 0 < self.set.ramp.ppm < 1_000_000:
            self.note("poked on the way")
