"""Members are dialled until there is a link: with pauses that grow to a bound and are never the same for two."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable

import structlog

from oracle.network.mesh.dialler import Dialled, Dialler, NeedsAuthority, NoAuthority
from oracle.network.mesh.faults import LinkFault, LinkRefused
from oracle.network.mesh.limits import MeshLimits
from oracle.network.mesh.peer_state import PeerState
from oracle.network.mesh.roster import Roster

_log = structlog.get_logger("oracle.network.mesh.redial")
_US = 1_000_000
_LEAST_LOOK_S = 1.0


class Redial:
    """Keeps dialling.

    Args:
        dialler: how.
        roster: members.
        limits: of a handshake, and the first pause.
        max_backoff_s: the longest pause.
        listens: whether we announce an address ourselves.
        live: given a peer and what its dial made, lives with that link until it ends; whether there was one.
        now_us: microseconds of a clock that nobody sets.
        now_ms: our time, Unix ms.
    """

    def __init__(
        self,
        dialler: Dialler,
        roster: Roster,
        limits: MeshLimits,
        max_backoff_s: float,
        *,
        listens: Callable[[], bool],
        live: Callable[[PeerState, Dialled], Awaitable[None]],
        now_us: Callable[[], int],
        now_ms: Callable[[], int],
    ) -> None:
        self._dialler, self._roster, self._limits, self._max_backoff_s = dialler, roster, limits, max_backoff_s
        self._listens, self._live, self._now_us, self._now_ms = listens, live, now_us, now_ms
        self._turns = asyncio.Semaphore(limits.dials)
        self._tasks: dict[bytes, asyncio.Task[None]] = {}

    def start(self, state: PeerState) -> None:
        """Dial a peer from now on."""
        self._tasks[state.address] = asyncio.get_running_loop().create_task(self._keep(state))

    def stop(self, address: bytes) -> None:
        """Dial a peer no more."""
        task = self._tasks.pop(address, None)
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        """Dial nobody any more; links that were dialled end."""
        tasks = list(self._tasks.values())
        for address in list(self._tasks):
            self.stop(address)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, state: PeerState) -> None:
        pause_s, turn = self._limits.first_retry_s, 0
        while True:
            if self._listens() and state.address < self._roster.own:
                await asyncio.sleep(min(self._limits.yield_s, self._max_backoff_s))  # it dials us, if it can
            urls = self._roster.urls(state.address)
            if state.link is not None or not urls or state.banned_us(self._now_us()):
                await _nap(state, max(self._max_backoff_s, _LEAST_LOOK_S))
                continue
            since_us = self._now_us()
            if (
                await self._tried(state, urls[turn % len(urls)])
                and self._now_us() - since_us > self._max_backoff_s * _US
            ):
                pause_s = self._limits.first_retry_s  # a link that ends at once is no better than none
            turn += 1
            state.look.clear()
            await _nap(state, pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - so that not all dial at once
            pause_s = min(2 * pause_s, self._max_backoff_s)

    async def _tried(self, state: PeerState, url: str) -> bool:
        """As `_dial_once`; a bug there is logged, and the next dial comes all the same."""
        try:
            return await self._dial_once(state, url)
        except Exception:  # noqa: BLE001 - whatever it was is logged whole
            if state.warnings.more("dial") is not None:
                _log.exception("a dial failed in a way that it should not; it is tried again", peer=str(state.peer))
        return False

    async def _dial_once(self, state: PeerState, url: str) -> bool:
        """Dial a peer, and live with its link until it ends; whether there was one."""
        refused: LinkRefused
        try:
            async with self._turns, asyncio.timeout(self._limits.handshake_s):
                if state.link is not None:
                    return False  # it has dialled us meanwhile
                dialled = await self._dialler.dial(state.address, url, authority=self._needs_authority(state))
        except TimeoutError:
            refused = LinkRefused(LinkFault.DEADLINE, f"no answer within {self._limits.handshake_s:g} s")
        except LinkRefused as e:
            refused = e
        else:
            await self._live(state, dialled)
            return True
        if isinstance(refused, NeedsAuthority | NoAuthority):
            state.needs_authority = isinstance(refused, NeedsAuthority)
        if refused.fault is not LinkFault.DUPLICATE:
            state.tell(str(refused), self._now_ms())
        return False

    def _needs_authority(self, state: PeerState) -> bool:
        """Whether a public authority must vouch for its host; the first dial finds out where nothing is known."""
        if state.peer.certificate:
            return False
        if state.needs_authority is not None:
            return state.needs_authority
        known = self._roster.announced(state.address)
        return known is not None and not known.said.certificate


async def _nap(state: PeerState, longest_s: float) -> None:
    """Wait for something new of a peer, for so long at most."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(longest_s):
            await state.look.wait()
    state.look.clear()
