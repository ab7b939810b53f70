"""Transactions that are asked for by hand: what each would do and cost, and sending them one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_hash.auto import keccak

from feeds.chains.jsonrpc import quantity
from feeds.errors import FeedError, LrtOracleError
from oracle.chain.fees import MOST_GAS, Costs
from oracle.chain.node_refusals import SendOutcome
from oracle.chain.quorum_rpc import ChainError, QuorumRpc
from oracle.chain.rpc_answers import Simulation, read_head, read_receipt, read_send_outcome, read_simulated
from oracle.chain.store_client import GasSigner
from oracle.chain.transaction import Unsigned
from oracle.stake.moments import ether_text

_POLL_S, _POLLS = 0.5, 360


class StepRefused(LrtOracleError, RuntimeError):
    """A contract would not take this step now; ``name``: its own error."""

    def __init__(self, step: StakeStep, name: str, text: str) -> None:
        super().__init__(f"{step.text}: refused now: {name}{text}")
        self.name = name


class StepFailed(LrtOracleError, RuntimeError):
    """A step was sent and came to nothing, or is in no block yet: what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StakeStep:
    """One call.

    Attributes:
        name: of the function.
        text: what it does, for people.
        undo: when it can be undone.
        to: the contract, hex.
        data: calldata.
        follows: whether it works only once the step before has landed.
    """

    name: str
    text: str
    undo: str
    to: str
    data: bytes
    follows: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOffer:
    """What a step would cost now; None where that is not known before the step before it has landed."""

    step: StakeStep
    gas: int | None
    cost_wei: int | None

    def document(self) -> Mapping[str, Any]:
        """As JSON."""
        step, cost = self.step, self.cost_wei
        return {
            "step": step.name, "does": step.text, "undo": step.undo, "to": step.to, "data": "0x" + step.data.hex(),
            "gas": self.gas, "cost_wei": None if cost is None else str(cost),
        }  # fmt: skip

    def lines(self) -> list[str]:
        """For people."""
        costs = "its cost is known once the step before has landed"
        if self.gas is not None and self.cost_wei is not None:
            costs = f"{self.gas} gas, {ether_text(self.cost_wei)} ether at present fees"
        return [
            f"{self.step.name} at {self.step.to}: {self.step.text}",
            f"    costs: {costs}",
            f"    undone: {self.step.undo}",
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone:
    """A step that has landed."""

    name: str
    tx_hash: str
    block: int
    gas_used: int


class StakeHand:
    """An account that acts.

    Args:
        nodes: endpoints of the chain.
        chain_id: of it.
        account: 20 bytes.
        signer: its key; None only tries.
        max_fee_gwei: never more for a unit of gas.
    """

    def __init__(
        self, nodes: QuorumRpc, chain_id: int, account: bytes, signer: GasSigner | None, max_fee_gwei: int
    ) -> None:
        self._nodes, self._chain_id, self._signer = nodes, chain_id, signer
        self.account = "0x" + account.hex()
        self._costs = Costs(nodes, 60, max_fee_gwei)

    async def offers(self, steps: Sequence[StakeStep]) -> list[StepOffer]:
        """What the steps would cost; those that follow others are not tried.

        Raises:
            StepRefused: a contract would not take one.
            ChainError: endpoints do not answer or agree; so does each function here.
        """
        market = await self._costs.market()
        price_wei = market.base_wei + market.tip_wei
        made = []
        for step in steps:
            gas = None if step.follows else await self._gas(step)
            made.append(StepOffer(step=step, gas=gas, cost_wei=None if gas is None else gas * price_wei))
        return made

    async def _gas(self, step: StakeStep) -> int:
        call = self._call(step)
        seen: Simulation = await self._nodes.agreed_value("eth_call", call, "latest", read=read_simulated)
        if seen.refused is not None:
            raise StepRefused(step, seen.refused, seen.text)
        gas = await self._costs.gas(call, "latest")
        if gas is None:
            raise ChainError(f"no endpoint estimates the gas of {step.name}")
        return gas

    async def answered_number(self, step: StakeStep) -> int:
        """What a step's function would answer now, where that is a number."""
        await self._gas(step)
        raw: Any = await self._nodes.agreed_value("eth_call", self._call(step), "latest")
        return int(str(raw), 16)

    async def send(self, step: StakeStep) -> StepDone:
        """Send one, and wait until it is in a block.

        Raises:
            StepRefused: the contract would not take it.
            StepFailed: it failed, no endpoint took it, or the account has others under way.
        """
        if self._signer is None:
            raise StepFailed("no key to act with: give --keyfile PATH")
        gas = await self._gas(step)
        unsigned = Unsigned(
            chain_id=self._chain_id, nonce=await self._nonce(), fees=await self._costs.fees(None, None),
            gas=max(gas, min(gas * 6 // 5, MOST_GAS)), to=bytes.fromhex(step.to[2:]), data=step.data,
        )  # fmt: skip
        signed = unsigned.signed(await self._signer.sign(unsigned.preimage))
        answers = await self._nodes.all_answers("eth_sendRawTransaction", "0x" + signed.raw.hex())
        outcomes = [read_send_outcome(a, signed.tx_hash) for a in answers.values()]
        if SendOutcome.TAKEN not in outcomes:
            said = "; ".join(f"{n}: {a}" for n, a in answers.items() if isinstance(a, FeedError))
            raise StepFailed(f"{step.name}: no endpoint took {signed.tx_hash} ({said}): nothing was changed by it")
        return await self._landed(step, "0x" + keccak(signed.raw).hex())

    async def _nonce(self) -> int:
        mined, waiting = [
            await self._nodes.highest_reached("eth_getTransactionCount", self.account, tag, read=quantity)
            for tag in ("latest", "pending")
        ]
        if waiting > mined:
            raise StepFailed(
                f"{self.account} has {waiting - mined} transactions under way: wait until they have landed"
            )
        return mined

    async def _landed(self, step: StakeStep, tx_hash: str) -> StepDone:
        for _ in range(_POLLS):
            await self._nodes.newest_view(read_head)
            receipt = await self._nodes.agreed_or_absent("eth_getTransactionReceipt", tx_hash, read=read_receipt)
            if receipt is not None and not receipt.succeeded:
                raise StepFailed(f"{step.name} failed in {tx_hash}: run this again to see why")
            if receipt is not None:
                return StepDone(name=step.name, tx_hash=tx_hash, block=receipt.block, gas_used=receipt.gas_used)
            await asyncio.sleep(_POLL_S)
        raise StepFailed(
            f"{step.name}: {tx_hash} is in no block yet: wait for it, then run this again; done steps are skipped"
        )

    def _call(self, step: StakeStep) -> dict[str, str]:
        return {"from": self.account, "to": step.to, "data": "0x" + step.data.hex()}
