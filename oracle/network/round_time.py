"""The time of one round: what its instances go by, and how long there is to wait."""

from __future__ import annotations

import asyncio

from oracle.network.times import SessionClock

_S = 1_000


class RoundTime:
    """Time since the round's start, in which nobody waits for nothing.

    Args:
        clock: of the round.
        alone: whether all that can speak are here.
    """

    def __init__(self, clock: SessionClock, *, alone: bool) -> None:
        self._clock, self._alone = clock, alone
        self.skipped_ms = 0
        """That nobody had to wait for."""

    def agreed_ms(self) -> int:
        """What the instances go by."""
        return self._clock.elapsed_ms() + self.skipped_ms

    async def wait(self, until_ms: int, news: asyncio.Event, *, is_idle: bool) -> None:
        """Until there is news, or that moment has come.

        Where all that can speak are here and nothing is under way, nothing comes by waiting: who is missing, the leader too,
        costs no time then.

        Args:
            until_ms: by the time that the instances go by.
            news: is set when something has come.
            is_idle: nothing is under way here.
        """
        wait_ms = max(0, until_ms - self.agreed_ms())
        if self._alone and is_idle:
            self.skipped_ms += wait_ms
            return
        try:
            async with asyncio.timeout(wait_ms / _S + 0.001):
                await news.wait()
        except TimeoutError:
            pass
