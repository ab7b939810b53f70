"""What the uptime feeds of rollups say: an address that is none, or a sequencer that is down, takes every price of its chain."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from feeds.chains.endpoint import Head
from feeds.chains.sequencer import Sequencer, SequencerState
from feeds.errors import FeedError, SequencerDown
from feeds.units import MS
from oracle.check.contracts import CallReader
from oracle.config.tables.schema import Problem

SEQUENCER_FIX = 'write the chain\'s uptime feed in sequencer_feed (docs.chain.link lists them), or "" for none'


@dataclass(frozen=True, slots=True, kw_only=True)
class SequencerReading:
    """What a chain's uptime feed said at a block. ``down``: why nothing of the chain counts; None if it does."""

    chain: str
    sequencer: Sequencer
    state: SequencerState
    down: SequencerDown | None
    block_ms: int

    @property
    def since_s(self) -> int:
        """For how long it has said so."""
        return max(0, self.block_ms - self.state.since_ms) // MS

    def document(self) -> dict[str, Any]:
        """As JSON: ``answer`` is the feed's own word, 0 for up; ``counts``: whether prices of the chain do."""
        return {
            "chain": self.chain,
            "feed": self.sequencer.sequencer_feed,
            "answer": 0 if self.state.is_up else 1,
            "state": "up" if self.state.is_up else "down",
            "since_s": self.since_s,
            "grace_s": self.sequencer.sequencer_grace_s,
            "counts": self.down is None,
        }

    def note(self) -> str | None:
        """What an operator should know; None where all is well."""
        if self.down is None:
            return None
        return f"chain {self.chain}: {self.down}: nothing of this chain counts now; {self.down.advice}"


def sequencer_key(chain: str) -> str:
    """The key of its address."""
    return f"chains.{chain}.sequencer_feed"


async def read_sequencer(
    ask: CallReader,
    sequencer: Sequencer | None,
    chain: str,
    head: Head,
    codeless: Collection[bytes],
) -> tuple[SequencerReading | None, tuple[Problem, ...]]:
    """What the uptime feed of a chain says, or why it says nothing; neither where the chain has none.

    Args:
        ask: brings the raw replies of calls.
        sequencer: the feed.
        chain: the config's name.
        head: the block.
        codeless: addresses that have no code: those are problems already.
    """
    if sequencer is None or sequencer.call.to in codeless:
        return None, ()
    reply = (await ask((sequencer.call,)))[sequencer.call]
    try:
        state = sequencer.state(reply)
    except FeedError as error:
        text = f"{sequencer.sequencer_feed} does not answer as an uptime feed does ({error}): {SEQUENCER_FIX}"
        return None, (Problem(sequencer_key(chain), text),)
    down = sequencer.down(state, head.time_ms)
    return SequencerReading(chain=chain, sequencer=sequencer, state=state, down=down, block_ms=head.time_ms), ()
