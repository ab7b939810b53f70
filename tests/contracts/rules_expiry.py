"""Rules of the state machine about signer sets that expire: all the others, over a store with a longest epoch."""

from __future__ import annotations

from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.contracts.evm_process import DELAY_S, LONGEST_S
from tests.contracts.rules_pushes import NEAR
from tests.contracts.rules_words import WordRules


class ExpiringRules(WordRules):
    """Nobody replaces the signers, or somebody does: too late, or so that nothing is missed."""

    longest_s: ClassVar[int] = LONGEST_S

    @rule(
        around_s=st.sampled_from([-DELAY_S - 1, -31, -1, 0, 1]),
        ahead_s=st.sampled_from([0, 0, -1, 1, 30]),
        bps=NEAR,
    )
    def at_its_end(self, around_s: int, ahead_s: int, bps: int) -> None:
        """A batch of the set in force, about where it expires."""
        left_s = self.signers("current").expires_s - self.evm.now
        if left_s > DELAY_S + 1:
            self.evm.jump(left_s + around_s)
        self.one_more(ahead_s, bps)

    @rule(
        keys=st.lists(st.integers(0, 8), min_size=3, max_size=4, unique=True),
        late_s=st.sampled_from([-DELAY_S - 1, -DELAY_S, 1 - DELAY_S, -31, 0, 500]),
        bps=NEAR,
    )
    def replaced_at_the_end(self, keys: list[int], late_s: int, bps: int) -> None:
        """The next set is named before or after the end; it takes over in any case, and has its own time."""
        left_s = self.signers("current").expires_s - self.evm.now
        self.evm.jump(max(0, left_s + late_s))
        self.rotate([(k, 1) for k in keys], (0, 0), "", self.set.owner)
        self.arm(set())
        for _ in range(2):
            self.one_more(0, bps)
            self.evm.jump(DELAY_S)
        self.note("replaced after it expired" if late_s >= 0 else "replaced at the end")

    def one_more(self, ahead_s: int, bps: int) -> None:
        plain = {"index": 8_192, "status": 1, "spread": 7, "ages": (3, 9), "has": None}
        self.pushes(self.batch("current", ahead_s, [{"market": ("by", bps), "redemption": ("by", 0), **plain}], set()))
