"""Strict views and the oracle's own reader over Chainlink's unmodified uptime feeds (sources of its package, compiled here).

``BaseSequencerUptimeFeed`` (Optimism, Base, Scroll, zkSync) moves updatedAt with every repeated status and keeps startedAt;
the one of Arbitrum ignores a repeated status. Both take a status only from the other side of the bridge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

import contracts
from feeds.chains.sequencer import Sequencer
from feeds.errors import SequencerDown
from tests.contracts.contract_tools import Item, compiled, error_of
from tests.contracts.evm_process import OWNER, Evm

L2EP = "@chainlink/contracts/src/v0.8/l2ep/"
KINDS = {"ZKSyncSequencerUptimeFeed": "zksync", "ArbitrumSequencerUptimeFeed": "arbitrum"}
L1_SENDER, ALIASED = ("0x" + f"{0x5E9 + offset:040x}" for offset in (0, 0x1111000000000000000000000000000000001111))
HOUR_S, LOOK_S, GRACE_S, DAY_S, WEEK_S = 3_600, 600, 3_600, 86_400, 604_800
UP, DOWN = False, True
NONE, SEQUENCER = 0, 4


@dataclass
class Rollup:
    """One uptime feed, a strict view over it with a price that is fresh for a week, and what the oracle reads of it."""

    kind: str

    def __post_init__(self) -> None:
        self.evm = Evm()
        made = compiled(f"{L2EP}{KINDS[self.kind]}/{self.kind}.sol")
        first = (L1_SENDER, UP) if self.kind.startswith("ZKSync") else (self._flags(), L1_SENDER)
        self.feed = self.evm.create(made[self.kind], *first)
        if self.kind.startswith("Arbitrum"):
            for to in (self.flags, self.allowed):
                self.evm.ok(to, "addAccess", self.feed)
            self.evm.ok(self.feed, "initialize")
        self.evm.ok(self.feed, "disableAccessCheck")
        store = self.evm.create(compiled("tests/contracts/solidity/Corners.sol")["WordStore"])
        self.evm.ok(store, "set", Item(0, market_age_s=0).word(self.evm.now), 0, 0)
        self.price = self.evm.create(contracts.load("FeedView"), store, b"x/y".ljust(32, b"\0"), 0, 18, 60)
        self.strict = self.evm.create(contracts.load("StrictFeedView"), self.price, WEEK_S, self.feed, GRACE_S)

    def _flags(self) -> str:
        made = compiled(f"{L2EP}Flags.sol")
        self.allowed = self.evm.create(made["SimpleWriteAccessController"])
        self.flags = self.evm.create(made["Flags"], self.allowed, self.allowed)
        return self.flags

    def says(self, status: bool) -> None:
        """A message of now arrives from the other side."""
        self.evm.ok(self.feed, "updateStatus", status, self.evm.now, sender=ALIASED)

    @property
    def usable(self) -> bool:
        trouble = self.evm.ok(self.strict, "trouble")
        assert trouble in {NONE, SEQUENCER}
        error, data = self.evm.call(self.strict, "latestRoundData")
        assert (error == "") is (trouble == NONE) is (data is not None)
        assert (self.evm.ok(self.strict, "latestAnswer") > 0) is (trouble == NONE)
        return bool(trouble == NONE)

    @property
    def read(self) -> bool:
        """Whether the oracle takes prices of the rollup now."""
        asked = Sequencer(sequencer_feed=self.feed, sequencer_grace_s=GRACE_S).read_at(self.evm.now * 1_000)
        (call,) = next(asked)
        error, answer = self.evm.send(self.feed, call.data)
        assert not error
        try:
            asked.send((answer,))
        except StopIteration:
            return True
        except SequencerDown:
            return False
        raise AssertionError("it asks once")

    def round(self) -> tuple[Any, ...]:
        return tuple(self.evm.ok(self.feed, "latestRoundData"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_day_of_hourly_repeats_leaves_a_strict_view_usable(kind: str) -> None:
    """145 looks of 145. Counted from updatedAt it would have been none: the repeats come as often as the grace is long."""
    rollup = Rollup(kind)
    began = rollup.evm.now
    rollup.evm.jump(2 * GRACE_S)
    looks, moved = [], 0
    for second in range(0, DAY_S + 1, LOOK_S):
        if second % HOUR_S == 0:
            rollup.says(UP)
        looks.append((rollup.usable, rollup.read))
        assert rollup.round()[1:3] == (0, began)
        moved += rollup.round()[3] > rollup.evm.now - GRACE_S
        rollup.evm.jump(LOOK_S)
    assert looks == [(True, True)] * 145
    assert moved == (144 + 1 if kind.startswith("ZKSync") else 0), "looks at which updatedAt was within the grace"


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequencer_that_was_down_is_up_again_after_the_grace_whatever_is_repeated(kind: str) -> None:
    rollup = Rollup(kind)
    assert (rollup.usable, rollup.read) == (False, False), "it began in this block"
    rollup.evm.jump(DAY_S)
    assert (rollup.usable, rollup.read) == (True, True)
    rollup.says(DOWN)
    for _ in range(3):
        rollup.evm.jump(HOUR_S)
        rollup.says(DOWN)
        assert (rollup.usable, rollup.read) == (False, False)
    rollup.says(UP)
    back = rollup.evm.now
    while rollup.evm.now < back + GRACE_S:
        assert (rollup.usable, rollup.read) == (False, False)
        rollup.evm.jump(LOOK_S)
        rollup.says(UP)
    assert not rollup.usable, "not yet at the grace itself, as in Chainlink's documents"
    rollup.evm.jump(1)
    assert (rollup.usable, rollup.read) == (True, True)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(list(KINDS)),
    said=st.lists(st.tuples(st.integers(1, 5_000), st.sampled_from([UP, UP, UP, DOWN])), min_size=1, max_size=25),
)
def test_a_strict_view_is_usable_if_nothing_but_up_was_said_for_the_grace(
    kind: str, said: list[tuple[int, bool]]
) -> None:
    rollup = Rollup(kind)
    since, now_up = rollup.evm.now, True
    for seconds, status in said:
        rollup.evm.jump(seconds)
        assert rollup.usable is (now_up and rollup.evm.now - since > GRACE_S)
        rollup.says(status)
        if now_up is not (status is UP):
            since, now_up = rollup.evm.now, status is UP
        assert rollup.usable is (now_up and rollup.evm.now - since > GRACE_S)


def test_over_a_feed_that_nobody_began_a_strict_view_reverts() -> None:
    """Arbitrum's reverts before `initialize`. An Aave without a price does less harm than one with its fallback's."""
    rollup = Rollup("ZKSyncSequencerUptimeFeed")
    evm = rollup.evm
    made = compiled(f"{L2EP}arbitrum/ArbitrumSequencerUptimeFeed.sol")["ArbitrumSequencerUptimeFeed"]
    feed = evm.create(made, OWNER, L1_SENDER)
    evm.ok(feed, "disableAccessCheck")
    strict = evm.create(contracts.load("StrictFeedView"), rollup.price, WEEK_S, feed, GRACE_S)
    evm.jump(DAY_S)
    assert rollup.usable
    for name in ("latestAnswer", "latestRoundData", "trouble"):
        assert evm.call(strict, name)[0] == error_of("0x" + keccak(text="Uninitialized()")[:4].hex())[0]
