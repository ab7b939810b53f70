"""Is a rollup's sequencer up, and for how long? Pure.

Source: docs.chain.link, "L2 Sequencer Uptime Feeds": ``latestRoundData`` answers 0 for up and 1 for down; ``startedAt`` is
when that began. Prices are not taken until the sequencer has been up for a grace time, since trades that waited are executed first.
"""

from __future__ import annotations

from dataclasses import dataclass

from feeds.chains.abi import address, calldata
from feeds.decode import abi_words
from feeds.errors import Malformed, SequencerDown
from feeds.types import Call, Quote, Read, Reply
from feeds.units import MS, WAD, Wad

_ROUND_WORDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SequencerState:
    """What an uptime feed says: up or down, and since when (Unix ms; 0 where it never said anything)."""

    is_up: bool
    since_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequencer:
    """The uptime feed of a chain, by the config's names: its address, and how long the sequencer must have been up."""

    sequencer_feed: str
    sequencer_grace_s: int

    def __post_init__(self) -> None:
        """Check the address; ValueError says what to write."""
        address(self.sequencer_feed)

    @property
    def call(self) -> Call:
        """What is asked."""
        return Call(to=address(self.sequencer_feed), data=calldata("latestRoundData()"))

    def state(self, reply: Reply) -> SequencerState:
        """Read the feed's answer; FeedError where it gave none, or answers as no uptime feed does."""
        data = abi_words.returned(reply, words=_ROUND_WORDS)
        answer = abi_words.int_at(data, 1)
        if answer not in (0, 1):
            raise Malformed("an uptime feed answers 0 or 1", answer=str(answer)[:20])
        return SequencerState(is_up=answer == 0, since_ms=abi_words.uint_at(data, 2) * MS)

    def read_at(self, now_ms: int) -> Read:
        """One call; a quote means that the sequencer is up.

        Args:
            now_ms: time of the block that is read.

        Raises:
            SequencerDown: it is down, or up for less than the grace time.
            FeedError: the feed gave no answer, which is taken for down by the caller.
        """
        (reply,) = yield (self.call,)
        if (down := self.down(self.state(reply), now_ms)) is not None:
            raise down
        return Quote(price_wad=Wad(WAD))

    def down(self, state: SequencerState, now_ms: int) -> SequencerDown | None:
        """Why nothing of the chain counts at a block's time; None if it does."""
        for_ms, grace_ms = max(0, now_ms - state.since_ms), self.sequencer_grace_s * MS
        if not state.is_up:
            return SequencerDown("the sequencer is down", down_ms=for_ms)
        if state.since_ms == 0 or now_ms - state.since_ms < grace_ms:
            return SequencerDown("the sequencer has not been up again for long enough", up_ms=for_ms, grace_ms=grace_ms)
        return None
