"""The same calls as on the EVM in this process, on a node: one transaction each, so that gas is what a caller pays."""

from __future__ import annotations

from typing import Any

from eth_abi import decode, encode
from eth_utils.crypto import keccak
from web3 import Web3

from oracle.chain.store_abi import abi_type
from tests.contracts.contract_tools import error_of
from tests.contracts.evm_process import FIRST_S, OWNER

TRANSACTION_GAS = 2**24
"""The most that a transaction may use on Ethereum (EIP-7825)."""


class NodeEvm:
    """Anvil, sending from any address. Each transaction has its block, a second after the one before."""

    def __init__(self, web3: Web3) -> None:
        self.web3, self.now, self.gas = web3, FIRST_S, 0
        self.abis: dict[str, dict[str, Any]] = {}
        self.ask("anvil_autoImpersonateAccount", True)
        self.jump(0)

    def ask(self, method: str, *arguments: Any) -> Any:
        answer = self.web3.provider.make_request(method, arguments)  # type: ignore[arg-type]
        assert "error" not in answer, answer
        return answer["result"]

    def jump(self, seconds: int) -> None:
        self.now += seconds
        if self.now > int(self.web3.eth.get_block("latest")["timestamp"]):
            self.ask("evm_setNextBlockTimestamp", self.now)
            self.ask("evm_mine")

    def transact(self, data: bytes, to: str | None, sender: str) -> Any:
        self.ask("anvil_setBalance", sender, hex(10**24))
        self.now += 1
        self.ask("evm_setNextBlockTimestamp", self.now)
        asked = {"from": sender, "data": "0x" + data.hex(), "gas": hex(TRANSACTION_GAS)} | ({"to": to} if to else {})
        sent = self.ask("eth_sendTransaction", asked)
        receipt = self.web3.eth.wait_for_transaction_receipt(sent, poll_latency=0.005)
        self.gas = int(receipt["gasUsed"])
        return receipt

    def create(self, artifact: Any, *args: Any) -> str:
        inputs = [i for e in artifact.abi if e["type"] == "constructor" for i in e["inputs"]]
        code = artifact.bytecode
        raw = code if isinstance(code, bytes) else bytes.fromhex(code[2:])
        receipt = self.transact(raw + encode([abi_type(i) for i in inputs], args), None, OWNER)
        assert receipt["status"] == 1
        at = str(receipt["contractAddress"]).lower()
        self.abis[at] = {e["name"]: e for e in artifact.abi if e["type"] == "function"}
        return at

    def call(self, to: str, name: str, *args: Any, sender: str = OWNER) -> tuple[str, Any]:
        """A view is asked, anything else sent; the error's name and the answer, of a view or of one that was refused."""
        entry = self.abis[to][name]
        kinds = [abi_type(i) for i in entry["inputs"]]
        data = keccak(text=f"{name}({','.join(kinds)})")[:4] + encode(kinds, args)
        asked = {"from": sender, "to": to, "data": "0x" + data.hex(), "gas": hex(TRANSACTION_GAS)}
        told = self.web3.provider.make_request("eth_call", [asked, "latest"])  # type: ignore[arg-type]
        if entry["stateMutability"] not in {"view", "pure"}:
            assert self.transact(data, to, sender)["status"] == (0 if "error" in told else 1)
        if "error" in told:
            return str(error_of(told["error"].get("data", "0x"))[0]), None
        answer = decode([abi_type(o) for o in entry["outputs"]], bytes.fromhex(str(told["result"])[2:]))
        return "", answer[0] if len(answer) == 1 else answer

    def ok(self, to: str, name: str, *args: Any, sender: str = OWNER) -> Any:
        error, answer = self.call(to, name, *args, sender=sender)
        assert not error, (name, error)
        return answer
