"""How many pushes the gas key can still pay for: gas, and what a rollup takes for bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog
from eth_hash.auto import keccak

from oracle.chain.fees import pushes_left
from oracle.chain.store_client import StoreClient
from oracle.chain.transaction import unsigned_of
from oracle.model.publication import PushRow
from oracle.push.settings import TargetPace
from oracle.runtime.clock import is_over

_USUAL_GAS = 200_000
_USUAL_BYTES = b"".join(keccak(bytes([i])) for i in range(20))
"""As many as a push of some tokens has, and as hard to compress."""
_log = structlog.get_logger("oracle.push.gas_balance")


class GasBalance:
    """The balance of one target's gas key.

    Args:
        target: its name in the config.
        client: the store on its chain.
        pace: how often it is looked at.
        warn_pushes: warn when the key can pay for fewer pushes than this.
        now_ms: the clock.
        landed_today: pushes that landed in the last day.
        on_balance: called with the balance in wei and the pushes that it pays for.

    Attributes:
        pushes_left: how many it pays for; None where that is not known yet.
    """

    def __init__(
        self,
        target: str,
        client: StoreClient,
        *,
        pace: TargetPace,
        warn_pushes: int,
        now_ms: Callable[[], int],
        landed_today: Callable[[], Sequence[PushRow]],
        on_balance: Callable[[int, int], None],
    ) -> None:
        self.pushes_left: int | None = None
        self._target, self._client, self._pace, self._warn_pushes = target, client, pace, warn_pushes
        self._now_ms, self._landed_today, self._on_balance = now_ms, landed_today, on_balance
        self._checked_ms = 0

    async def reread(self) -> None:
        """Now and then: read the balance."""
        now_ms = self._now_ms()
        if is_over(self._checked_ms, self._pace.balance_ms, now_ms):
            self._checked_ms = now_ms
            await self._check()

    async def _check(self) -> None:
        """The dearest push of the day is the measure."""
        balance_wei, market = await self._client.balance_wei(), await self._client.costs.market()
        dearest = max(self._landed_today(), key=lambda r: r.gas_used or 0, default=None)
        gas = (dearest.gas_used if dearest is not None else None) or _USUAL_GAS
        unsigned = unsigned_of(dearest.raw) if dearest is not None else _USUAL_BYTES
        data_wei = await self._client.costs.data_fee_wei(unsigned, gas)
        pushes = pushes_left(balance_wei, gas, market, data_wei)
        self._on_balance(balance_wei, pushes)
        self.pushes_left = pushes
        if pushes < self._warn_pushes:
            _log.warning(
                "the gas key runs low: send it ether", target=self._target, key=self._client.payer, pushes=pushes
            )
