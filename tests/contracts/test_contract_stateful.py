"""The whole contract set under hypothesis: any order of acts, each beside its model, and what fails is shrunk.

``LRT_ORACLE_CONTRACT_STATEFUL`` steps (a few hundred here, 20,000 under ``make fuzz``). The plain driver, with many more
steps, is in test_contract_fuzz.
"""

from __future__ import annotations

import copy
import os
from collections import Counter
from typing import Any, ClassVar

import pytest
from contract_tools import compiled
from fuzz_world import DELAY_S, GUARDIAN, KEYS, LIMITS, OWNER, STRANGER, TREASURY
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from set_models import Outcome
from store_model import Refused, Signers
from whole_set import FIRST_TOKENS, ZERO, Batch, WholeSet, key_address, packed, signature

from oracle.eip712 import batch_bytes

STEPS = int(os.environ.get("LRT_ORACLE_CONTRACT_STATEFUL", "800"))
IN_AN_EXAMPLE = 50
TOKENS = tuple(FIRST_TOKENS)
LIARS, HONEST = (7, 8), (0, 1, 2)
MOST = 2**88 - 1

CALLERS = st.sampled_from([OWNER] * 5 + [GUARDIAN, STRANGER])
SETS = st.sampled_from(["current", "current", "previous", "following"])
AFTER_S = st.sampled_from([0, 1, 5, 5, 11, 40, 61, 101])
AHEAD_S = st.sampled_from([0, 0, 0, -1, -60, -61, 30, 31])
NEAR = st.sampled_from([0, 1, -1, 300, -300, 499, 500, -500])
MOVES = st.sampled_from([0, 300, 500, 501, -500, -501, 9_998, 9_999, 10_000])
PRICES = st.one_of(st.tuples(st.just("by"), MOVES), st.tuples(st.just("to"), st.sampled_from([1, 10**18, MOST])))
ABSENT = st.sets(st.integers(0, 5), max_size=2)
ITEMS = st.fixed_dictionaries({
    "index": st.sampled_from((*TOKENS * 4, 2, 8_194, 16_384, 65_535)),
    "market": PRICES,
    "redemption": PRICES,
    "status": st.sampled_from([1, 2, 3, 4, 0x12, 0x93, 0xF1] * 3 + [0, 5, 8, 15]),
    "spread": st.sampled_from([0, 7, 10_000, 65_535]),
    "ages": st.tuples(st.sampled_from([0, 3, 65_535]), st.sampled_from([0, 9, 255])),
    "has": st.sampled_from([None] * 20 + [(True, False), (False, True), (False, False)]),
})  # fmt: skip
SPOILS = st.sampled_from([""] * 10 + ["signature", "batch", "doubled", "swapped", "short", "odd"])
KEY = st.sampled_from([*HONEST, *LIARS])
BONDERS = st.sampled_from([OWNER] * 5 + [STRANGER])
COMMON = {
    "push taken", "push NothingNew", "push BadSignature", "push BadLength", "push TooOld", "push TooFarAhead", "held",
    "push WrongEpoch", "push BelowThreshold", "push UnknownIndex", "push BadStatus", "push WrongPresence", "replay",
    "two rounds SecondRound", "two batches taken", "setSigners taken", "register taken", "pause taken", "resume taken",
    "acceptOwnership taken", "bond taken", "requestLeave taken", "leave taken", "prove taken", "prove NoContradiction",
    "prove Unbonded", "giveBack taken", "release taken", "snapshot taken", "poked on the way", "epoch started",
    "push in the overlap", "push of the epoch", "prove UsedEvidence", "prove BadEvidence", "bond BadAmount",
}  # fmt: skip
"""What the long form must have met, or the machine tests less than it says."""


class WholeSetMachine(RuleBasedStateMachine):
    """One world; rules draw an act, the models say what must come of it."""

    seen: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.set = WholeSet()
        self.evm, self.store, self.registry = self.set.evm, self.set.store, self.set.registry
        self.many = self.evm.create(compiled()["Many"])
        self.pushed: list[Batch] = []
        self.words: list[tuple[bytes, bytes]] = []
        self.said: dict[tuple[int, int, int], bytes] = {}
        for key in (*HONEST, *LIARS):
            self.bonded(key, 10**18, OWNER, consented=True)

    def note(self, what: str) -> None:
        self.seen[what] += 1

    @invariant()
    def contracts_and_models_agree(self) -> None:
        self.set.check()

    @invariant()
    def no_honest_key_is_slashed(self) -> None:
        assert {s for s, b in self.set.bonds.bonds.items() if b.slashed} <= {key_address(k) for k in LIARS}

    # --- pushes --------------------------------------------------------------------------------------------------

    def signers(self, which: str) -> Signers:
        model = self.set.model
        other = {"previous": model.previous, "following": model.following and model.following[0]}.get(which)
        return other or model.signers

    def item(self, one: dict[str, Any]) -> bytes:
        index, word = one["index"], self.set.model.words.get(one["index"], 0)
        has = one["has"] or self.set.model.has.get(index, (True, True))
        out = []
        for there, (how, by), old in zip(
            has, (one["market"], one["redemption"]), (word >> 168, word >> 80 & MOST), strict=True
        ):
            price = by if how == "to" else old * (10_000 + by) // 10_000
            out.append(min(MOST, max(1, price)) if there else 0)
        return packed(index, (out[0], out[1]), one["status"], one["spread"], one["ages"])

    def batch(self, which: str, ahead_s: int, items: list[dict[str, Any]], absent: set[int]) -> Batch:
        signers = self.signers(which)
        body = b"".join(self.item(one) for one in items)
        who = [i for i in range(len(signers.keys)) if i not in absent]
        return self.set.sign(batch_bytes(signers.epoch, self.evm.now + ahead_s, body), signers, who)

    def pushes(self, one: Batch) -> None:
        waiting, epoch = dict(self.set.model.waiting), self.set.model.signers.epoch
        error = self.set.push(one)
        self.note(f"push {error or 'taken'}")
        if error:
            return
        self.pushed.append(one)
        given, started = int.from_bytes(one.batch[:6], "big"), self.set.model.signers.epoch
        self.note(
            "epoch started" if started > epoch else "push in the overlap" if given < epoch else "push of the epoch"
        )
        if self.set.model.waiting != waiting:
            self.note("held")

    @rule(
        after_s=AFTER_S,
        which=SETS,
        moves=st.dictionaries(st.sampled_from(TOKENS), NEAR, min_size=1),
        status=st.sampled_from([1, 2, 3, 4]),
        absent=ABSENT,
    )
    def steady(self, after_s: int, which: str, moves: dict[int, int], status: int, absent: set[int]) -> None:
        """A good batch of near prices."""
        self.evm.jump(after_s)
        plain = {"status": status, "spread": 7, "ages": (3, 9), "has": None}
        items = [{"index": i, "market": ("by", m), "redemption": ("by", 0), **plain} for i, m in moves.items()]
        self.pushes(self.batch(which, 0, items, absent))

    @rule(
        after_s=AFTER_S,
        index=st.sampled_from([0, 0, 1, 8_193]),
        bps=st.sampled_from([5_000, 10_000, 10_300, 20_000]),
        status=st.sampled_from([1, 3]),
        strong=st.booleans(),
    )
    def far(self, after_s: int, index: int, bps: int, status: int, *, strong: bool) -> None:
        """A price of a few, which are far from each other: held, standing, taken, given up."""
        self.evm.jump(after_s)
        price = ("to", 10**18 * bps // 10_000)
        one = {"index": index, "market": price, "redemption": price, "status": status, "spread": 9, "ages": (0, 0)}
        self.pushes(self.batch("current", 0, [one | {"has": None}], set() if strong else {4, 3, 2}))

    @rule(
        after_s=AFTER_S,
        which=SETS,
        ahead_s=AHEAD_S,
        items=st.lists(ITEMS, min_size=1, max_size=4),
        absent=ABSENT,
        spoil=SPOILS,
        at=st.integers(0, 10_000),
    )
    def any_push(
        self,
        *,
        after_s: int,
        which: str,
        ahead_s: int,
        items: list[dict[str, Any]],
        absent: set[int],
        spoil: str,
        at: int,
    ) -> None:
        self.evm.jump(after_s)
        self.pushes(self.spoiled(self.batch(which, ahead_s, items, absent), spoil, at))

    @staticmethod
    def spoiled(one: Batch, how: str, at: int) -> Batch:
        """The batch with a fault; which signatures are still good after it."""
        places = [one.signed[i : i + 65] for i in range(0, len(one.signed), 65)]
        if how == "signature" and places:
            place, bit = at % len(places), 8 + at % 512
            one.valid[place] = False
            flipped = int.from_bytes(places[place], "big") ^ 1 << (65 * 8 - 1 - bit)
            places[place] = flipped.to_bytes(65, "big")
        elif how == "batch":
            bit = at % (8 * len(one.batch))
            one.batch = (int.from_bytes(one.batch, "big") ^ 1 << bit).to_bytes(len(one.batch), "big")
            one.valid = [False] * len(places)
        elif how == "doubled" and places:
            places, one.who, one.valid = [*places, places[-1]], [*one.who, one.who[-1]], [*one.valid, True]
        elif how == "swapped":
            places, one.who, one.valid = places[::-1], one.who[::-1], one.valid[::-1]
        elif how == "short":
            one.batch, one.valid = one.batch[: -1 - at % 40], [False] * len(places)
        one.signed = b"".join(places) + (b"\1" if how == "odd" else b"")
        return one

    @rule(at=st.integers(0, 63))
    def replay(self, at: int) -> None:
        """What was taken once writes nothing that it wrote before."""
        if self.pushed:
            one, before = self.pushed[-1 - at % len(self.pushed)], dict(self.set.model.words)
            self.set.push(one)
            round_time = int.from_bytes(one.batch[6:10], "big")
            changed = [i for i, w in self.set.model.words.items() if w != before[i]]
            assert all(before[i] & 0xFFFFFFFF < round_time for i in changed)
            self.note("replay")

    @rule(
        after_s=AFTER_S,
        gap_s=st.sampled_from([0, 0, 1, 11]),
        first=st.sampled_from([0, -10, 25]),
        items=st.tuples(st.lists(ITEMS, min_size=1, max_size=2), st.lists(ITEMS, min_size=1, max_size=2)),
    )
    def two_in_one_transaction(self, after_s: int, gap_s: int, first: int, items: tuple[list[Any], list[Any]]) -> None:
        self.evm.jump(after_s)
        both = [self.batch("current", s, i, set()) for s, i in zip((first, first + gap_s), items, strict=True)]
        model = copy.deepcopy(self.set.model)
        model.now, expected = self.evm.now, ""
        for turn, one in enumerate(both):
            try:
                model.push(one.batch, one.who, one.valid)
            except Refused as e:
                expected = str(e)
            if turn and gap_s and expected not in {"TooOld", "TooFarAhead"}:
                expected = "SecondRound"
            if expected:
                break
        args = self.store, [b.batch for b in both], [b.signed for b in both]
        if not self.set.refused(self.many, "all", *args, sender=STRANGER, expected=expected):
            self.set.model = model
        self.note(f"two {'rounds' if gap_s else 'batches'} {expected or 'taken'}")

    # --- time and roles ------------------------------------------------------------------------------------------

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

    # --- operators -----------------------------------------------------------------------------------------------

    def told(self, name: str, *args: Any, sender: str, error: str) -> None:
        self.set.refused(self.registry, name, *args, sender=sender, expected=error)
        self.note(f"{name} {error or 'taken'}")

    def bonded(self, key: int, shares: int, sender: str, *, consented: bool) -> None:
        who, error = key_address(key), ""
        digest = self.evm.ok(self.registry, "consent", who, sender if consented else TREASURY)
        signed = signature(key, digest)
        try:
            self.set.bonds.bond(who, shares, sender, consented=consented)
            self.set.purses[sender] -= shares
        except Refused as e:
            error = str(e)
        self.told("bond", who, shares, signed[:32], signed[32:], sender=sender, error=error)

    @rule(
        key=st.integers(0, 8), shares=st.sampled_from([0, 7, 2**96 - 10**18]), sender=BONDERS, consented=st.booleans()
    )
    def bond(self, key: int, shares: int, sender: str, *, consented: bool) -> None:
        self.bonded(key, shares, sender, consented=consented)

    @rule(key=KEY, shares=st.sampled_from([0, 1, 10**18, 10**18 + 1]), sender=BONDERS)
    def ask_back(self, key: int, shares: int, sender: str) -> None:
        who, error = key_address(key), ""
        try:
            self.set.bonds.ask(who, shares, sender, self.evm.now)
        except Refused as e:
            error = str(e)
        self.told("requestLeave", who, shares, sender=sender, error=error)

    @rule(after_s=st.sampled_from([0, 449, 450]), at=st.integers(0, 8), sender=BONDERS)
    def leave(self, after_s: int, at: int, sender: str) -> None:
        self.evm.jump(after_s)
        asked = [s for s, b in self.set.bonds.bonds.items() if b.leaving] or [key_address(0)]
        who, error = asked[at % len(asked)], ""
        try:
            self.set.purses[sender] += self.set.bonds.leave(who, sender, self.evm.now)
        except Refused as e:
            error = str(e)
        self.told("leave", who, sender=sender, error=error)

    @rule(more=st.integers(-1, 2), keys=st.lists(KEY, max_size=2), sender=BONDERS)
    def snapshot(self, more: int, keys: list[int], sender: str) -> None:
        error, who, epoch = "", [key_address(k) for k in keys], max(0, self.set.bonds.last_epoch + more)
        try:
            weights = self.set.bonds.snapshot(epoch, who, sender)
        except Refused as e:
            error = str(e)
        self.told("snapshot", epoch, who, sender=sender, error=error)
        if not error:
            assert [self.evm.ok(self.registry, "weightIn", epoch, w) for w in who] == weights

    @rule(
        key=KEY,
        epoch=st.integers(1, 2),
        at=st.integers(1, 2),
        words=st.lists(
            st.tuples(st.integers(0, 1), st.integers(1, 2)), min_size=1, max_size=2, unique_by=lambda w: w[0]
        ),
    )
    def speak(self, key: int, epoch: int, at: int, words: list[tuple[int, int]]) -> None:
        """A word of a round. An honest key repeats what it has said of a token in that round."""
        body = b""
        for index, price in words:
            item = packed(index, (price, price))
            body += item if key in LIARS else self.said.setdefault((key, at, index), item)
        batch = batch_bytes(epoch, at, body)
        self.words.append((batch, signature(key, self.set.digest(batch))))

    @rule(
        at=st.tuples(st.integers(0, 99), st.integers(0, 99)),
        index=st.integers(0, 2),
        spoil=st.sampled_from([""] * 6 + ["item", "parity", "other's", "cut", "nothing"]),
    )
    def prove(self, at: tuple[int, int], index: int, spoil: str) -> None:
        if not self.words:
            return
        a, (batch, signed) = (self.words[-1 - i % len(self.words)] for i in at)
        if spoil == "item":
            batch = batch[:-1] + bytes([batch[-1] ^ 1])
        elif spoil == "parity":
            signed = signed[:32] + bytes([signed[32] ^ 0x80]) + signed[33:]
        elif spoil == "other's":
            signed = a[1]
        elif spoil == "cut":
            batch = batch[: at[1] % len(batch)]
        elif spoil == "nothing":
            signed = bytes(64)
        self.proven(a, (batch, signed), index)

    @rule(key=st.sampled_from(LIARS), epoch=st.integers(1, 2), at=st.integers(3, 4), swap=st.booleans())
    def lie(self, key: int, epoch: int, at: int, *, swap: bool) -> None:
        """Two words of a liar, and the proof of it."""
        batches = [batch_bytes(1, at, packed(0, (5, 5))), batch_bytes(epoch, at, packed(1, (5, 0)) + packed(0, (5, 6)))]
        pair = [(b, signature(key, self.set.digest(b))) for b in (batches[::-1] if swap else batches)]
        self.proven(pair[0], pair[1], 0)

    def proven(self, a: tuple[bytes, bytes], b: tuple[bytes, bytes], index: int) -> None:
        (one, first), (two, second) = self.set.word(*a), self.set.word(*b)
        error, evidence = "", b""
        try:
            evidence = self.set.bonds.prove(one, two, index, self.evm.now)
        except Refused as e:
            error = str(e)
        self.told("prove", first, second, index, sender=STRANGER, error=error)
        if evidence:
            assert self.evm.ok(self.registry, "penalties", evidence)[3] == Outcome.LOCKED

    @rule(
        after_s=st.sampled_from([0, 49, 50]),
        at=st.integers(0, 2),
        back=st.booleans(),
        sender=st.sampled_from([GUARDIAN, GUARDIAN, STRANGER]),
    )
    def settle(self, after_s: int, at: int, sender: str, *, back: bool) -> None:
        self.evm.jump(after_s)
        known = [*self.set.bonds.penalties, bytes(32)]
        evidence, error = known[at % len(known)], ""
        try:
            paid = self.set.bonds.settle(evidence, sender, self.evm.now, back=back)
            to = self.set.bonds.bonds[self.set.bonds.penalties[evidence].signer].owner if back else TREASURY
            self.set.purses[to] += paid
        except Refused as e:
            error = str(e)
        self.told("giveBack" if back else "release", evidence, sender=sender, error=error)


@pytest.mark.fuzz
def test_contracts_do_what_their_models_do_in_any_order() -> None:
    WholeSetMachine.seen.clear()
    assert len(KEYS) == 9
    wanted = settings(max_examples=max(1, STEPS // IN_AN_EXAMPLE), stateful_step_count=IN_AN_EXAMPLE, deadline=None)
    run_state_machine_as_test(WholeSetMachine, settings=wanted)  # type: ignore[no-untyped-call]
    if STEPS >= 10_000:
        assert COMMON - set(WholeSetMachine.seen) == set()
