"""Rules of the state machine about pushes: what is drawn, what the model says of it, and what the store does."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from oracle.sign.eip712 import batch_bytes
from tests.contracts.contract_tools import compiled
from tests.contracts.evm_process import STRANGER
from tests.contracts.store_words import ModelRefused, ModelToken, Signers
from tests.contracts.whole_set import FIRST_TOKENS, PushedBatch, WholeSet, packed

TOKENS = tuple(FIRST_TOKENS)
MOST = 2**88 - 1
SET_AT = 262_157  # storage slot of the signer set

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
    "status": st.sampled_from([1, 2, 3, 4, 9, 10, 0x12, 0x93, 0xF1, 0x6B] * 3 + [0, 5, 8, 15]),
    "spread": st.sampled_from([0, 7, 10_000, 16_383] * 8 + [16_384, 65_535]),
    "ages": st.tuples(st.sampled_from([0, 3, 65_535]), st.sampled_from([0, 9, 255])),
    "has": st.sampled_from([None] * 20 + [(True, False), (False, True), (False, False)]),
})  # fmt: skip
SPOILS = st.sampled_from([""] * 10 + ["signature", "batch", "doubled", "swapped", "short", "odd", "kind"])


class PushMachine(RuleBasedStateMachine):
    """One world; rules draw an act, the models say what must come of it."""

    seen: ClassVar[Counter[str]] = Counter()
    longest_s: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.set = WholeSet(longest_s=self.longest_s)
        self.evm, self.store = self.set.evm, self.set.store
        self.many = self.evm.create(compiled()["Many"])
        self.pushed: list[PushedBatch] = []

    def note(self, what: str) -> None:
        self.seen[what] += 1

    @invariant()
    def contracts_and_models_agree(self) -> None:
        self.set.check()

    def signers(self, which: str) -> Signers:
        model = self.set.model
        model.now = self.evm.now
        model.move_on()
        before = model.previous[0] if model.previous else None
        return {"previous": before, "following": model.following}.get(which) or model.signers

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

    def batch(self, which: str, ahead_s: int, items: list[dict[str, Any]], absent: set[int]) -> PushedBatch:
        signers = self.signers(which)
        body = b"".join(self.item(one) for one in items)
        who = [i for i in range(len(signers.keys)) if i not in absent]
        return self.set.sign(batch_bytes(signers.epoch, self.evm.now + ahead_s, body), signers, who)

    def pushes(self, one: PushedBatch) -> None:
        model = self.set.model
        before, started = dict(model.tokens), self.started()
        error = self.set.push(one)
        self.note(f"push {error or 'taken'}")
        if error:
            return
        self.pushed.append(one)
        given = int.from_bytes(one.batch[:6], "big")
        if self.started() != started:
            self.note("epoch started")
        self.note("push in the overlap" if given < model.signers.epoch else "push of the epoch")
        for index, now in model.tokens.items():
            if now != before.get(index):
                self.note_kept(before.get(index), now)

    def started(self) -> bytes:
        """The word of the signer set in storage."""
        return int(self.evm.evm.storage(self.store, SET_AT)).to_bytes(32, "big")

    def note_kept(self, before: ModelToken | None, now: ModelToken) -> None:
        """What the store did with a token, by name, so that the long form can tell whether all was met."""
        for which, kept in enumerate(now.kept):
            was = before.kept[which] if before else None
            wait, waited = (k.wait if k else None for k in (kept, was))
            if wait is not None:
                self.note("held inside a gap" if now.gap and now.gap.opened_s < now.round_time else "held")
            if wait and waited and before and now.prices[which] != before.prices[which]:
                self.note("landed, and the next wait begins")
            elif waited and not kept:
                self.note("no longer held")
            if kept and not wait:
                self.note("kept without a wait")
        if any(now.kept) and not all(now.kept):
            self.note("one price held and the other taken")
        if before and before.gap and now.gap and now.gap.opened_s == before.gap.opened_s:
            self.note("written inside a gap")

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
        bps=st.sampled_from([5_000, 9_500, 10_000, 10_500, 10_501, 20_000]),
        status=st.sampled_from([1, 3]),
        strong=st.booleans(),
        again_s=st.sampled_from([0, 0, 59, 60, 61]),
    )
    def far(self, *, after_s: int, index: int, bps: int, status: int, strong: bool, again_s: int) -> None:
        """A price of a few, which are far from each other: held, standing, taken, given up."""
        price = ("to", 10**18 * bps // 10_000)
        one = {"index": index, "market": price, "redemption": price, "status": status, "spread": 9, "ages": (0, 0)}
        for wait_s in (after_s, again_s) if again_s else (after_s,):
            self.evm.jump(wait_s)
            self.pushes(self.batch("current", 0, [one | {"has": None}], set() if strong else {4, 3, 2}))

    @rule(
        bps=st.lists(st.sampled_from([9_400, 9_000, 5_000]), min_size=3, max_size=6),
        pace_s=st.sampled_from([20, 30, 59]),
        status=st.integers(1, 3),
    )
    def goes_on_falling(self, bps: list[int], pace_s: int, status: int) -> None:
        """By the threshold's weight alone, each round beyond the step of the one before: least far prices land in turn."""
        price = self.set.model.word(0) >> 168 or 10**18
        for by in bps:
            self.evm.jump(pace_s)
            price = max(1, price * by // 10_000)
            one = {
                "index": 0,
                "market": ("to", price),
                "redemption": ("by", 0),
                "status": status,
                "spread": 7,
                "ages": (3, 9),
            }
            self.pushes(self.batch("current", 0, [one | {"has": None}], self.spare()))

    def spare(self) -> set[int]:
        """Signers of the present set whose weight the threshold does not need."""
        signers = self.signers("current")
        reached, absent = 0, set()
        for i, weight in enumerate(signers.weights):
            if reached >= signers.threshold:
                absent.add(i)
            reached += weight
        return absent

    @rule(index=st.sampled_from([0, 0, 1]), status=st.integers(1, 3), bps=MOVES, after_s=st.integers(1, 4))
    def worse_inside_a_gap(self, index: int, status: int, bps: int, after_s: int) -> None:
        """By as few as the threshold needs."""
        self.evm.jump(11)
        absent = self.spare()
        plain = {"index": index, "redemption": ("by", 0), "spread": 7, "ages": (3, 9), "has": None}
        self.pushes(self.batch("current", 0, [plain | {"market": ("by", 0), "status": status}], absent))
        self.evm.jump(after_s)
        self.pushes(self.batch("current", 0, [plain | {"market": ("by", bps), "status": status + 1}], absent))

    @rule(
        index=st.sampled_from([0, 0, 8_193]),
        status=st.sampled_from([4, 9, 10, 11]),
        rate=st.sampled_from([0, 300, -300, -2_000]),
        strong=st.booleans(),
        again=st.integers(0, 4),
    )
    def nobody_looked(self, *, index: int, status: int, rate: int, strong: bool, again: int) -> None:
        """A halt, or a watch of kept prices, for some rounds; now and then a rate that a threshold read."""
        one = {
            "index": index,
            "market": ("to", 7),
            "redemption": ("by", rate),
            "status": status,
            "spread": 7,
            "ages": (3, 9),
        }
        for after_s in (11, 3, 30, 31)[:again]:
            self.evm.jump(after_s)
            self.pushes(self.batch("current", 0, [one | {"has": None}], set() if strong else {4, 3}))

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
    def spoiled(one: PushedBatch, how: str, at: int) -> PushedBatch:
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
        elif how == "kind":
            places, one.who, one.valid = [b"\xff" + bytes([at % 256]) * (at % 3 * 32)], [255], [False]
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
            except ModelRefused as e:
                expected = str(e)
            if turn and gap_s and expected not in {"TooOld", "TooFarAhead"}:
                expected = "SecondRound"
            if expected:
                break
        args = self.store, [b.batch for b in both], [b.signed for b in both]
        if not self.set.refused(self.many, "all", *args, sender=STRANGER, expected=expected):
            self.set.model = model
        self.note(f"two {'rounds' if gap_s else 'batches'} {expected or 'taken'}")
