"""What a deployment would send, tried on the node's own state without sending: what each step costs, and what is refused.

By eth_simulateV1 (execution-apis), which runs calls one on top of the other. A node that does not have it says so; then nothing is
known before it is sent. The deployment proxy swallows the error of a constructor, so a creation that fails is tried once more
without it: its code is put at an address and called, which runs the constructor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from feeds.chains.abi import checksummed
from oracle.chain.store_abi import reason
from oracle.deploy.create2 import PROXY, DeployError, PlannedContract

METHOD = "eth_simulateV1"
_MOST_BLOCKS = 250
"""A node simulates 256 at most."""
_BLOCK_S = 12
_HERE = "0x" + "c0de" * 10
"""Nobody's."""

_WHAT_TO_DO = {
    "NoTokenRate": "correct rate_contract and rate_function of the token in stake.collateral",
    "BadListing": "correct that entry of stake.collateral, counted from 0",
    "OutOfReach": (
        "shorten epoch_s, evidence_s, dispute_s or execution_s of stake, or the store's longest_epoch_s or rotation_delay_s, or"
        " leave that source out"
    ),
    "SettingsDoNotFit": "correct [stores.NAME.stake] against the store's times",
    "BadVaultSettings": "correct [stores.NAME.stake.symbiotic]",
    "BadSettings": "correct the addresses and bounds in [stores.NAME.stake]",
    "BadSources": "correct the sources in [stores.NAME.stake]",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployStep:
    """One transaction of a deployment: a contract through the proxy, or a call.

    Attributes:
        label: what it does, for people.
        to: whom it calls; the proxy for a contract.
        data: with what.
        made: the contract, if it makes one.
    """

    label: str
    to: bytes
    data: bytes
    made: PlannedContract | None = None

    @classmethod
    def making(cls, planned: PlannedContract) -> DeployStep:
        """Make a contract."""
        return cls(label=planned.label, to=PROXY, data=planned.calldata, made=planned)


@dataclass(frozen=True, slots=True)
class Tried:
    """How a step ended in the rehearsal: its gas, or why it was refused."""

    gas: int
    refused: str = ""


async def rehearse(web3: Any, sender: str, steps: Sequence[DeployStep]) -> list[int] | None:
    """Gas of each step, one after the other; None where the node cannot tell.

    Raises:
        DeployError: a step would be refused: which, why, and what to do. Nothing was sent.
    """
    if not steps:
        return []
    tried = await _simulated(web3, _calls(sender, steps))
    if tried is None:
        return None
    at = next((i for i, one in enumerate(tried) if one.refused), None)
    if at is None:
        return [one.gas for one in tried]
    refused = tried[at].refused
    if (made := steps[at].made) is not None:
        again = await _simulated(web3, _calls(sender, steps[:at]), {"from": sender, "to": _HERE}, made.creation)
        refused = again[-1].refused if again and again[-1].refused else refused
    name = refused.split(" ")[0]
    text = _WHAT_TO_DO.get(name, "correct these settings")
    raise DeployError(f"{steps[at].label} would be refused ({refused}): {text}; nothing was sent")


def _calls(sender: str, steps: Sequence[DeployStep]) -> list[dict[str, str]]:
    return [{"from": sender, "to": checksummed(s.to), "data": "0x" + s.data.hex()} for s in steps]


async def _simulated(
    web3: Any, calls: Sequence[dict[str, str]], last: dict[str, str] | None = None, code: bytes = b""
) -> list[Tried] | None:
    """Calls in blocks of the future; ``last`` in one of its own, where ``code`` is at the address that it calls."""
    head = await web3.eth.get_block("latest")
    each = max(1, -(-len(calls) // _MOST_BLOCKS))
    blocks: list[dict[str, Any]] = [{"calls": list(calls[at : at + each])} for at in range(0, len(calls), each)]
    if last is not None:
        blocks.append({"calls": [last], "stateOverrides": {last["to"]: {"code": "0x" + code.hex()}}})
    for i, block in enumerate(blocks, start=1):
        time_s = int(head["timestamp"]) + _BLOCK_S * i
        block["blockOverrides"] = {"number": hex(int(head["number"]) + i), "time": hex(time_s)}
    answer = await web3.provider.make_request(METHOD, [{"blockStateCalls": blocks}, "latest"])
    if "result" not in answer:
        return None
    done = [call for block in answer["result"] for call in block["calls"]]
    return [_tried(call) for call in done] if len(done) == sum(len(b["calls"]) for b in blocks) else None


def _tried(call: dict[str, Any]) -> Tried:
    gas = int(call["gasUsed"], 16)
    if int(call["status"], 16) == 1:
        return Tried(gas)
    error = call.get("error") or {}
    raw = next((d for d in (call.get("returnData"), error.get("data")) if d and d != "0x"), "0x")
    name, numbers = reason(bytes.fromhex(raw.removeprefix("0x")))
    return Tried(gas, f"{name}{numbers}")
