"""A PriceStore to push to: a push is simulated, built, signed and broadcast."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import structlog
from eth_hash.auto import keccak

from feeds.chains.jsonrpc import quantity
from feeds.chains.multicall import ADDRESS as MULTICALL3
from feeds.errors import FeedError
from oracle.chain.fees import MOST_GAS, BatchTooBig, Costs, gas_limit
from oracle.chain.multicall_push import POKE, items_in, unwrap, wrap
from oracle.chain.node_refusals import SendOutcome
from oracle.chain.quorum_rpc import ChainError, QuorumRpc
from oracle.chain.rpc_answers import (
    BlockHead,
    Broadcast,
    Simulation,
    read_head,
    read_send_outcome,
    read_simulated,
)
from oracle.chain.store_reads import StoreReads
from oracle.chain.transaction import FeeConditions, Fees, SignedTx, Unsigned, data_of
from oracle.sign.eip712 import Domain

_BY_TIME = frozenset({"TooFarAhead", "WrongEpoch"})
"""Refusals that may not hold in the next block: a round lies ahead, or a signer set takes over with that block."""
_MOST_POKE_GAS = 500_000
_log = structlog.get_logger("oracle.chain")


class StoreRefuses(ChainError):
    """The store would not take the push. ``name`` is the contract's own error, such as NothingNew."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"the push would fail: {name}{text}")
        self.name = name


class Unfit(ChainError):
    """Config and store contradict each other: nothing that is pushed would be right, so the process does not start."""


class NothingToPoke(ChainError):
    """Pokes were to go alone, and no view can be poked now."""


class GasSigner(Protocol):
    """A signer of transactions: a key in this process or a remote one."""

    @property
    def address(self) -> bytes:
        """20 bytes."""

    async def sign(self, preimage: bytes) -> bytes:
        """65 bytes r | s | y (0 or 1) over keccak(preimage)."""

    async def close(self) -> None:
        """Close its connection."""


class StoreClient(StoreReads):
    """One PriceStore on one chain, to push to.

    Args:
        endpoints: HTTP endpoints; all are sent to, and enough of them must agree.
        domain: chain id and address of the store.
        signer: pays for transactions and has no other authority; None only reads.
        max_fee_gwei: never pay more for a unit of gas.
        agree: how many endpoints must answer the same; 0 is a majority of three or more, else one.
        tip_percentile: of the tips paid in recent blocks.
        timeout_ms: of one request.
        multicall: address of Multicall3 there, for pushes that poke views.
        most_gas: of one transaction.
        relays: where transactions are sent instead of to the endpoints, which are only read then.
        passphrase_env: the variable with the gas key's passphrase, to be named where there is no key.
    """

    def __init__(
        self,
        endpoints: Sequence[str],
        domain: Domain,
        signer: GasSigner | None,
        *,
        max_fee_gwei: int,
        agree: int = 0,
        tip_percentile: int = 60,
        timeout_ms: int = 4_000,
        multicall: str = MULTICALL3,
        most_gas: int = MOST_GAS,
        relays: Sequence[str] = (),
        passphrase_env: str = "LRT_ORACLE_GAS_PASSPHRASE",  # noqa: S107 - names an environment variable
    ) -> None:
        super().__init__(endpoints, domain, agree=agree, timeout_ms=timeout_ms)
        self._signer = signer
        self.costs = Costs(self.nodes, tip_percentile, max_fee_gwei)
        self._multicall = multicall
        self._most_gas = most_gas
        self.keyless = f"no gas key: set {passphrase_env}, the passphrase of targets.*.gas_keyfile, or run dry"
        self._senders = self.nodes
        if relays:
            self._senders = QuorumRpc(relays, chain_id=domain.chain_id, timeout_ms=timeout_ms)

    async def close(self) -> None:
        """Close the connections."""
        await super().close()
        await self._senders.close()
        if self._signer is not None:
            await self._signer.close()

    async def view(self) -> tuple[BlockHead, int]:
        """The newest block, and the nonce of the gas key's next transaction by what is mined up to it."""
        nonce_of = ("eth_getTransactionCount", (self.payer, "latest"), quantity)
        nonce, (number, time_s) = await self.nodes.newest_view(read_head, nonce_of)
        return BlockHead(number=number, time_s=time_s), int(nonce)

    async def next_nonce(self) -> int:
        """Nonce of the gas key's next transaction by what is mined, not by what is pending."""
        return await self.nodes.highest_reached("eth_getTransactionCount", self.payer, "latest", read=quantity)

    async def balance_wei(self) -> int:
        """What the gas key has."""
        return await self.nodes.highest_reached("eth_getBalance", self.payer, "latest", read=quantity)

    async def prepare(
        self,
        data: bytes,
        nonce: int,
        *,
        views: Sequence[bytes] = (),
        above: Fees | None = None,
        at_s: int | None = None,
        conditions: FeeConditions | None = None,
    ) -> SignedTx:
        """Simulate the push, then build and sign it.

        The push is simulated alone, also where views are poked with it: it does the same there, and Multicall3 would
        hide why the store refuses. The gas is that of all calls as transactions of their own: more than they need in one.

        Args:
            data: calldata of the push, see `push_data`; empty for the pokes alone.
            nonce: of the gas key.
            views: ModeViews to poke in the same transaction; those that cannot be poked now are left out.
            above: fees of a transaction with the same nonce that may still be waiting somewhere; nodes take its
                replacement only if both of its fees are at least a tenth higher.
            at_s: the time that a block made now would have, Unix s; without it, the newest block's time counts.
            conditions: what is known of this push, for its fees.

        Raises:
            StoreRefuses: the store would not take it.
            FeeTooHigh: the base fee is above the ceiling.
            BatchTooBig: it needs more gas than a transaction may have.
            NothingToPoke: there is no push, and no view can be poked.
            ChainError: too few endpoints answer, or the signer does not.
        """
        gas = await self._simulate(data, at_s) if data else 0
        pokes = await self._pokes(views) if views else {}
        if not data and not pokes:
            raise NothingToPoke("no view can be poked now")
        fees, balance_wei = await asyncio.gather(self.costs.fees(above, conditions), self._balance_or_none())
        affordable = self._most_gas if balance_wei is None else balance_wei // fees.max_wei
        spare = 0 if conditions is not None and conditions.no_spare_gas else items_in(data)
        limit = gas_limit(gas + sum(pokes.values()), spare, self._most_gas, affordable)
        unsigned = Unsigned(
            chain_id=self.domain.chain_id,
            nonce=nonce,
            fees=fees,
            gas=limit,
            to=bytes.fromhex(self._multicall[2:]) if pokes else self.domain.store,
            data=wrap(self.domain.store, data, tuple(pokes)) if pokes else data,
        )
        return unsigned.signed(await self._paying().sign(unsigned.preimage))

    async def _balance_or_none(self) -> int | None:
        try:
            return await self.balance_wei()
        except ChainError:
            return None

    async def _simulate(self, data: bytes, at_s: int | None) -> int:
        """Gas of the push; the contract's own reason if enough endpoints say that it would revert.

        The newest block of a chain that makes blocks on demand may be old, so that a fresh round lies too far ahead of it; and
        a signer set that takes over now is not in force in it: there the call is simulated at the time
        that its block would have (see ``_in_next_block``).
        """
        call = {"from": self.payer, "to": self._store, "data": "0x" + data.hex()}
        where: tuple[Any, ...] = ("latest",)
        verdict = await self.nodes.agreed_value("eth_call", call, *where, read=read_simulated)
        if verdict.refused in _BY_TIME and at_s is not None:
            where, verdict = await self._in_next_block(call, at_s)
        if verdict.refused is not None:
            raise StoreRefuses(verdict.refused, verdict.text)
        gas = await self.costs.gas(call, *where)
        if gas is None:
            raise ChainError("no endpoint estimates the gas of the push")
        return gas

    async def _pokes(self, views: Sequence[bytes]) -> Mapping[bytes, int]:
        """The views that can be poked now, each with the gas of a poke; none where there is no Multicall3."""
        try:
            code: str = await self.nodes.agreed_value("eth_getCode", self._multicall, "latest")
        except ChainError as e:
            _log.warning(
                "it is not known whether there is a Multicall3: the push goes without its pokes", why=str(e)[:300]
            )
            return {}
        if code == "0x":
            _log.warning(
                "no Multicall3 on this chain: the push goes without its pokes; set chains.*.multicall, or poke the views"
                " some other way", multicall=self._multicall, chain_id=self.domain.chain_id,
            )  # fmt: skip
            return {}
        calls = [{"from": self.payer, "to": "0x" + v.hex(), "data": "0x" + POKE.hex()} for v in views]
        found = await asyncio.gather(*(self._poke_gas(call) for call in calls))
        pokes = {v: g for v, g in zip(views, found, strict=True) if g is not None and g <= _MOST_POKE_GAS}
        for view in (v for v in views if v not in pokes):
            _log.warning("a view cannot be poked now: is it a ModeView of mode 4?", view="0x" + view.hex())
        return pokes

    async def _poke_gas(self, call: Mapping[str, str]) -> int | None:
        try:
            return await self.costs.gas(call, "latest")
        except BatchTooBig:
            return None

    async def _in_next_block(self, call: Mapping[str, str], at_s: int) -> tuple[tuple[Any, ...], Simulation]:
        """What the call would do in a block of that time, and how that was asked.

        By the block's time as an override (fourth parameter of eth_call: geth 1.12, reth, anvil, later Erigon and
        Nethermind), else in the pending block.
        """
        override: tuple[Any, ...] = ("latest", {}, {"time": hex(at_s)})
        try:
            return override, await self.nodes.agreed_value("eth_call", call, *override, read=read_simulated)
        except ChainError:
            return ("pending",), await self.nodes.agreed_value("eth_call", call, "pending", read=read_simulated)

    def call_in(self, raw: bytes) -> tuple[bytes, tuple[bytes, ...]]:
        """The push in a transaction of ours and the views that are poked after it, as `prepare` takes them."""
        return unwrap(data_of(raw))

    async def broadcast(self, raw: bytes) -> Broadcast:
        """Send a signed transaction to every endpoint, or relay where there are some; one that has it is enough."""
        answers = await self._senders.all_answers("eth_sendRawTransaction", "0x" + raw.hex())
        tx_hash = "0x" + keccak(raw).hex()
        verdicts = [read_send_outcome(a, tx_hash) for a in answers.values()]
        worst = next((s for s in SendOutcome if s in verdicts), SendOutcome.UNKNOWN)
        text = "; ".join(f"{n}: {a}" for n, a in answers.items() if isinstance(a, FeedError))
        return Broadcast(outcome=worst, text="" if worst is SendOutcome.TAKEN else text)

    @property
    def pays(self) -> bool:
        """Whether there is a gas key."""
        return self._signer is not None

    @property
    def payer(self) -> str:
        """Address of the gas key."""
        return "0x" + self._paying().address.hex()

    def _paying(self) -> GasSigner:
        if self._signer is None:
            raise ChainError(self.keyless)
        return self._signer
