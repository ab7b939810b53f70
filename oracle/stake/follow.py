"""What the contracts of stake say, read now and then beside the rounds. Who does not answer leaves the last view, which grows old."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from oracle.chain.quorum_rpc import ChainError, QuorumRpc
from oracle.runtime.log_limit import LogBudget
from oracle.runtime.schedule import every
from oracle.stake.case_memory import CaseMemory
from oracle.stake.discover import NotStaked, discover
from oracle.stake.overview import overview
from oracle.stake.reads import StakeReads
from oracle.stake.secured.price import PriceSecurity, price_security

LOOK_S = 120
"""Pause between two looks."""
LONGEST_S = 60.0
"""A look that takes longer is given up."""
_AT_ONCE = 8
"""Calls under way at a time: prices and pushes need the endpoints too."""
_log = structlog.get_logger("oracle.stake.follow")


@dataclass(frozen=True, slots=True, kw_only=True)
class StakeView:
    """The last look that was complete, and what became of the newest.

    Attributes:
        target: name of the store.
        found: what it saw (`oracle.stake.overview`); None before the first one.
        security: what that means for a price; None before the first one.
        read_ms: when it was complete, Unix ms.
        error: why the newest look came to nothing; "" where it did not.
        not_staked: why no stake decides who signs; "" where it does, or where that is not known yet.
    """

    target: str
    found: Mapping[str, Any] | None = None
    security: PriceSecurity | None = None
    read_ms: int | None = None
    error: str = ""
    not_staked: str = ""


class StakeFollower:
    """Looks at the contracts around one store.

    Args:
        target: name of the store.
        nodes: endpoints of its chain.
        chain_id: of it.
        store: address of the store, hex.
        now_ms: the clock.
        longest_s: after which a look is given up.
    """

    def __init__(
        self,
        target: str,
        nodes: QuorumRpc,
        chain_id: int,
        store: str,
        *,
        now_ms: Callable[[], int],
        longest_s: float = LONGEST_S,
    ) -> None:
        self._nodes, self._chain_id, self._store = nodes, chain_id, store.lower()
        self._now_ms, self._longest_s = now_ms, longest_s
        self._view, self._memory, self._told = StakeView(target=target), CaseMemory(), LogBudget()

    def view(self) -> StakeView:
        """From memory."""
        return self._view

    async def run(self, failed: Callable[[Exception], None]) -> None:
        """Look at once and then every `LOOK_S`, without end. ``failed``: called with a fault of this program."""
        at_once = asyncio.Event()
        at_once.set()
        await every(LOOK_S, self.look, failed, at_once)

    async def look(self) -> None:
        """Read everything once, at one block."""
        try:
            async with asyncio.timeout(self._longest_s):
                reads = await StakeReads.open(self._nodes, _AT_ONCE)
                system = await discover(reads, self._chain_id, self._store)
                found = await overview(reads, system, self._memory)
                security = await price_security(reads, system)
        except NotStaked as e:
            self._view = StakeView(target=self._view.target, not_staked=str(e))
        except (ChainError, TimeoutError) as e:
            self._failed(str(e) or f"no answer within {self._longest_s:g} s")
        else:
            if self._view.error:
                _log.warning("the contracts of stake are read again", ends="the contracts of stake were not read")
            self._view = StakeView(target=self._view.target, found=found, security=security, read_ms=self._now_ms())

    def _failed(self, why: str) -> None:
        self._view = replace(self._view, error=why)
        if (more := self._told.more("look")) is not None:
            _log.warning("the contracts of stake were not read", why=why[:300], more_since_the_last_line=more)

    async def close(self) -> None:
        """Close the connections."""
        await self._nodes.close()
