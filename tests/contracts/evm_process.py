"""Contracts on an EVM in this process (pyrevm): accounts, keys, and a call that answers bytes or the name of its error."""

from __future__ import annotations

from functools import cache
from typing import Any

import coincurve
import pyrevm
from eth_abi import decode, encode
from eth_utils.crypto import keccak

from oracle.chain.store_abi import abi_type
from oracle.sign.eip712 import Domain, batch_digest, sealed_digest, sign_compact
from tests.contracts.contract_tools import error_of
from tests.contracts.mirror import machine
from tests.contracts.store_words import Limits

KEYS = [coincurve.PrivateKey((i + 1).to_bytes(32, "big")) for i in range(9)]
OWNER, GUARDIAN, STRANGER, TREASURY = ("0x" + c * 40 for c in "abcd")
FIRST_S = 1_900_000_000
LIMITS = (Limits(5, 500, 60), Limits(1, 9_999, 1))
MAX_AGE_S, DELAY_S, OVERLAP_S, DISPUTE_S = 60, 100, 40, 50
LEAVE_S = 400
LONGEST_S = DELAY_S + 3_600
"""The shortest longest epoch that a store with this delay takes."""
STEPS = 3
"""Of the agreement, in which certificates are signed."""


@cache
def signature(key: int, digest: bytes) -> bytes:
    return sign_compact(KEYS[key], digest)


def word_digest(domain: Domain, kind: int, batch: bytes) -> bytes:
    """What a word is signed over: of kind 0 a batch, of kind n the certificate of step n - 1."""
    epoch, round_time_s = int.from_bytes(batch[:6], "big"), int.from_bytes(batch[6:10], "big")
    if kind == 0:
        return batch_digest(domain, epoch, round_time_s, batch[10:])
    return sealed_digest(domain, epoch, round_time_s, kind - 1, batch[10:])


def word_evidence(kind: int, batch: bytes, signed: bytes) -> tuple[int, int, bytes, bytes, bytes]:
    """A word as penalties take it."""
    return min(kind, 1), max(kind - 1, 0), batch, signed[:32], signed[32:]


class Evm:
    """Contracts on pyrevm: a call answers bytes, or the name of its error."""

    def __init__(self) -> None:
        self.evm = machine()
        self.now = FIRST_S
        self.abis: dict[str, dict[str, Any]] = {}
        for who in (OWNER, GUARDIAN, STRANGER, TREASURY):
            self.evm.set_balance(who, 10**30)
        self.jump(0)

    def jump(self, seconds: int) -> None:
        self.now += seconds
        self.evm.set_block_env(pyrevm.BlockEnv(number=1, timestamp=self.now))

    @property
    def gas_used(self) -> int:
        """By the last call, as a transaction of its own."""
        result = self.evm.result
        assert result is not None
        return int(result.gas_used)

    def create(self, artifact: Any, *args: Any) -> str:
        inputs = [i for e in artifact.abi if e["type"] == "constructor" for i in e["inputs"]]
        code = artifact.bytecode
        raw = code if isinstance(code, bytes) else bytes.fromhex(code[2:])
        at = str(self.evm.deploy(OWNER, raw + encode([abi_type(i) for i in inputs], args)))
        return self.know(at, artifact)

    def know(self, at: str, artifact: Any) -> str:
        """The functions of a contract that something else made, by name."""
        self.abis[at] = {e["name"]: e for e in artifact.abi if e["type"] == "function"}
        return at

    def pay(self, sender: str, to: str, data: bytes, value: int) -> None:
        """A call with ether, which is taken."""
        self.evm.message_call(sender, to, data, value=value)

    def send(self, to: str, data: bytes, sender: str = OWNER, value: int = 0) -> tuple[str, bytes]:
        try:
            answer = bytes(self.evm.message_call(sender, to, data, value=value))
        except RuntimeError as e:
            text = str(e)
            output = text.split("output: ")[1].split(" ", maxsplit=1)[0] if "output: " in text else ""
            return str(error_of(output)[0]) if len(output) > 2 else "Reverted", b""
        finally:
            self.evm.reset_transient_storage()
        return "", answer

    def call(self, to: str, name: str, *args: Any, sender: str = OWNER, value: int = 0) -> tuple[str, Any]:
        entry = self.abis[to][name]
        kinds = [abi_type(i) for i in entry["inputs"]]
        error, raw = self.send(to, keccak(text=f"{name}({','.join(kinds)})")[:4] + encode(kinds, args), sender, value)
        answer = None if error else decode([abi_type(o) for o in entry["outputs"]], raw)
        return error, answer[0] if answer and len(answer) == 1 else answer

    def ok(self, to: str, name: str, *args: Any, sender: str = OWNER) -> Any:
        error, answer = self.call(to, name, *args, sender=sender)
        assert not error, (name, error)
        return answer
