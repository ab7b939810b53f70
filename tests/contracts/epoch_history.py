"""Random histories of a store, and which signer set was in force when, kept from the calls alone."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.contracts.epoch_world import AHEAD_S, arm, pause, push, resume, rotate
from tests.contracts.evm_process import DELAY_S, LONGEST_S
from tests.contracts.set_models import WAD
from tests.contracts.store_words import Signers
from tests.contracts.whole_set import BOTH, FIRST_SET, WIDE_BOTH, WholeSet

TURNS = st.one_of(
    st.tuples(st.just("jump"), st.sampled_from([1, 10, 29, 31, 69, DELAY_S - 31, DELAY_S, 500, LONGEST_S - 1_000])),
    st.tuples(st.just("rotate"), st.integers(1, 4)),
    st.tuples(st.just("emergency"), st.integers(1, 4)),
    st.tuples(st.just("arm"), st.integers(2, 3)),
    st.tuples(st.just("push"), st.sampled_from([-60, -31, -1, 0, 1, 30])),
    st.tuples(st.just("pause"), st.just(0)),
    st.tuples(st.just("resume"), st.just(0)),
    st.tuples(st.just("remove"), st.integers(0, 2)),
)


class Reign:
    """Who was in force when: kept from what was called and when, and from nothing that the store says."""

    def __init__(self, now: int, made_s: int, longest_s: int) -> None:
        self.made_s, self.longest_s = made_s, longest_s
        self.sets, self.begins = [FIRST_SET], [0]
        self.next: tuple[Signers, int] | None = None
        self.sure, self.now = False, now

    def tick(self, now: int) -> None:
        self.now = now
        if self.next is not None and self.next[1] <= now:
            if self.sure:
                self.sets.append(self.next[0])
                self.begins.append(self.next[1])
            self.next, self.sure = None, False

    def at(self, round_time: int) -> Signers:
        """Whose a round of that time is, as far as is known now."""
        if self.next is not None and self.sure and round_time >= self.next[1]:
            return self.next[0]
        return next(s for s, b in zip(self.sets[::-1], self.begins[::-1], strict=True) if b <= round_time)

    def is_over(self, round_time: int) -> bool:
        """Whether a round comes too late for the set that would be its own."""
        coming = [self.next[1]] if self.next is not None and self.sure else []
        begun_s = max((b for b in (*self.begins, *coming) if b <= round_time), default=0)
        return bool(self.longest_s) and round_time >= (begun_s or self.made_s) + self.longest_s


class History:
    """A store and what happened to it, act by act."""

    def __init__(self, longest_s: int = 0) -> None:
        self.whole, self.known, self.taken = WholeSet(longest_s=longest_s), [FIRST_SET], 0
        made_s = self.whole.evm.now
        self.whole.evm.jump(1_000)
        self.reign = Reign(self.whole.evm.now, made_s, longest_s)

    def jump(self, seconds: int) -> None:
        self.whole.evm.jump(seconds)

    def rotate(self, n: int, name: str = "setSigners") -> None:
        keys = tuple((len(self.known) + n + i) % 9 for i in range(3))
        new = Signers(self.reign.sets[-1].epoch + 1, keys, (1, 1, 1), 2, 3)
        due = rotate(self.whole, new, name)
        self.reign.next, self.reign.sure = (new, due), name != "setSigners"
        self.known.append(new)

    def emergency(self, n: int) -> None:
        self.rotate(n, "setSignersInEmergency")

    def arm(self, n: int) -> None:
        """Where it can be: the refusals are tested elsewhere."""
        next_ = self.reign.next
        if next_ is not None and not self.reign.sure and next_[1] > self.whole.evm.now + AHEAD_S:
            arm(self.whole, next_[0], range(n))
            self.reign.sure = True

    def pause(self, index: int) -> None:
        pause(self.whole, index)

    def resume(self, index: int) -> None:
        resume(self.whole, index)

    def remove(self, index: int) -> None:
        """One signer of the present set, where the rest still reaches the threshold."""
        model, epoch = self.whole.model, self.reign.sets[-1].epoch
        if not self.whole.evm.call(self.whole.store, "removeSigners", epoch, [index])[0]:
            model.now = self.whole.evm.now
            model.remove(epoch, [index])

    def push(self, ahead_s: int) -> None:
        """By everybody who was ever named."""
        round_time = self.whole.evm.now + ahead_s
        right = self.reign.at(round_time)
        for signers in self.known:
            for index in (BOTH, WIDE_BOTH):
                told = push(self.whole, signers, round_time, WAD, index)
                assert told or (signers.epoch, signers.keys) == (right.epoch, right.keys)
                assert told or not self.reign.is_over(round_time)
                self.taken += not told
