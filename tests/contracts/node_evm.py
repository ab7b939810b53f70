"""`Evm` on a node: the same calls as transactions of their own blocks, so that what they cost is what they cost on a chain.

The EVM in this process takes all calls for one transaction: slots stay warm, and a slot that was written before is written again
for next to nothing.
"""

from __future__ import annotations

from typing import Any

from eth_abi import decode, encode
from eth_utils.crypto import keccak
from web3 import Web3

from oracle.chain.store_abi import abi_type
from tests.contracts import trace_coverage
from tests.contracts.evm_process import Evm


class NodeEvm(Evm):
    """Contracts and accounts on a local node; a call that is taken is a transaction."""

    def __init__(self, web3: Web3) -> None:
        self.web3 = web3
        self.abis: dict[str, dict[str, Any]] = {}
        self.now = int(web3.eth.get_block("latest")["timestamp"]) + 1
        self.spent = 0

    def _ask(self, method: str, *params: Any) -> Any:
        answer = self.web3.provider.make_request(method, list(params))  # type: ignore[arg-type]
        assert "error" not in answer, answer
        return answer["result"]

    def jump(self, seconds: int) -> None:
        self.now += seconds

    def transact(self, sender: str, to: str | None, data: bytes, *, value: int = 0) -> Any:
        """Send it from an account that nobody has a key of, in a block of its own; the receipt."""
        self.now += 1
        self._ask("anvil_setBalance", sender, hex(10**30))
        self._ask("anvil_impersonateAccount", sender)
        self._ask("evm_setNextBlockTimestamp", self.now)
        told = {"from": sender, "data": "0x" + data.hex(), "value": hex(value), "gas": hex(20_000_000)}
        sent = self._ask("eth_sendTransaction", told if to is None else told | {"to": to})
        receipt = self.web3.eth.wait_for_transaction_receipt(sent)
        assert receipt["status"] == 1
        self.spent = int(receipt["gasUsed"])
        return receipt

    @property
    def gas_used(self) -> int:
        """By the last transaction."""
        return self.spent

    def pay(self, sender: str, to: str, data: bytes, value: int) -> None:
        self.transact(sender, to, data, value=value)

    def create(self, artifact: Any, *args: Any) -> str:
        inputs = [i for e in artifact.abi if e["type"] == "constructor" for i in e["inputs"]]
        code = artifact.bytecode
        raw = code if isinstance(code, bytes) else bytes.fromhex(code[2:])
        receipt = self.transact("0x" + "a" * 40, None, raw + encode([abi_type(i) for i in inputs], args))
        at = str(receipt["contractAddress"])
        trace_coverage.know(at, getattr(artifact, "name", ""))
        return self.know(at, artifact)

    def call(self, to: str, name: str, *args: Any, sender: str = "0x" + "a" * 40, value: int = 0) -> tuple[str, Any]:
        """The answer as of now; then, unless it only reads, the transaction."""
        entry = self.abis[to][name]
        kinds = [abi_type(i) for i in entry["inputs"]]
        data = keccak(text=f"{name}({','.join(kinds)})")[:4] + encode(kinds, args)
        told = {"from": sender, "to": to, "data": "0x" + data.hex(), "value": hex(value), "gas": hex(20_000_000)}
        raw = bytes.fromhex(self._ask("eth_call", told, "latest", {}, {"time": hex(self.now + 1)})[2:])
        if entry["stateMutability"] not in {"view", "pure"}:
            self.transact(sender, to, data, value=value)
        answer = decode([abi_type(o) for o in entry["outputs"]], raw)
        return "", answer[0] if len(answer) == 1 else answer
