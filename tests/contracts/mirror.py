"""The EVM in this process with a node beside it that traces every call: coverage of tests that use no node.

pyrevm does the work, as always, and its answer is the one that counts. Before a call the node traces it on the same state at the
same block; after it, what the trace may have written is read from pyrevm and written on the node. That both take or both refuse a
call is asserted, unless a test gives it a certain gas: slots stay warm in pyrevm, on the node each call is the first.

``LRT_ORACLE_CONTRACT_COVERAGE=FILE pytest tests/contracts/stake -n0 --force-enable-socket`` adds to FILE what ran.
"""

from __future__ import annotations

import http.client
import json
import re
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from typing import Any

import pyrevm

from demo.world import anvil
from tests.contracts import trace_coverage

SPEC = "CANCUN"
MOST_GAS = 2**40
NODE = ["--hardfork", "cancun", "--gas-limit", str(2 * MOST_GAS), "--base-fee", "0"]
_TRACE = {"disableStorage": True, "disableMemory": True, "enableMemory": False, "enableReturnData": False}
Key = tuple[str, int]
ACCOUNT = -1
"""In place of a slot: the account itself."""
NOTHING = (0, 0, b"")
_CODES: dict[bytes, bytes] = {}


_SEEN: dict[bytes, set[Key]] = {}
"""After which calls, from an EVM's first on, nothing is left to trace, and what the last of them may have written."""


def machine(chain_id: int = 1) -> Any:
    """An EVM in this process; if coverage is measured, one whose calls are traced."""
    evm = pyrevm.EVM(spec_id=SPEC, env=pyrevm.Env(cfg=pyrevm.CfgEnv(chain_id=chain_id)))
    return Mirrored(evm, chain_id) if trace_coverage.FILE else evm


class Mirrored:
    """A `pyrevm.EVM`, as far as tests use it, and a node that has what it has.

    Calls that another EVM began with in the same way are not traced again: tests that share a beginning trace it once.
    """

    def __init__(self, evm: pyrevm.EVM, chain_id: int) -> None:
        self._evm: Any = evm
        self._chain_id = chain_id
        self._http: http.client.HTTPConnection | None = None
        self._path = b""
        self._told: dict[Key, Any] = {}
        self._touched: list[Key] = []
        self._pending: set[Key] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._evm, name)

    # --- calls

    def message_call(self, caller: str, to: str, calldata: bytes = b"", value: int = 0, **limits: Any) -> bytes:
        call = {"from": caller, "to": to, "data": "0x" + bytes(calldata).hex(), "value": hex(value)}
        with self._traced(call, limits.get("gas")):
            return bytes(self._evm.message_call(caller, to, calldata, value=value, **limits))

    def deploy(self, deployer: str, code: bytes) -> str:
        with self._traced({"from": deployer, "data": "0x" + code.hex()}, None) as walked:
            made = str(self._evm.deploy(deployer, code))
            walked.accounts.add(made.lower())
            walked.slots |= {(made.lower(), slot) for slot in walked.at_top}
            return made

    @contextmanager
    def _traced(self, call: dict[str, str], gas: int | None) -> Iterator[trace_coverage.Walk]:
        """Trace a call before it is made; the node has then what the call left."""
        block = self._evm.env.block
        self._go_on("call", call, gas, block.number, block.timestamp)
        walked, failed = trace_coverage.Walk(), None
        if self._path not in _SEEN:
            self._pending.add((call["from"].lower(), ACCOUNT))
            self._write()
            walked, failed = self._look(call, gas)
            trace_coverage.keep(walked, self._name)
        try:
            yield walked
        finally:
            assert self._evm.result is not None
            if failed is not None and self._evm.result.is_success == failed:
                # first accesses cost more on the node: with so little gas it may end elsewhere
                assert gas, "the node says otherwise"
                whole, _ = self._look(call, None)
                walked.slots |= whole.slots
                walked.accounts |= whole.accounts
            parties = {call["from"].lower(), call.get("to", "").lower()} | walked.accounts
            keys = _SEEN.setdefault(self._path, walked.slots | {(at, ACCOUNT) for at in parties if at})
            self._touched += keys
            self._pending |= keys

    def _look(self, call: dict[str, str], gas: int | None) -> tuple[trace_coverage.Walk, bool]:
        """What the node does with this call, and whether it fails; nothing stays of it."""
        block = self._evm.env.block
        told = call | {"gas": hex(min(gas or MOST_GAS, MOST_GAS))}
        at = {"blockOverrides": {"number": hex(block.number), "time": hex(block.timestamp)}}
        (answer,) = self._ask([("debug_traceCall", [told, "latest", _TRACE | at])])
        return trace_coverage.walk(answer["structLogs"], call.get("to", "").lower()), bool(answer["failed"])

    def _name(self, code_at: str) -> str:
        return name_of(self._told.get((code_at, ACCOUNT), NOTHING)[2])

    # --- state

    def snapshot(self) -> Any:
        return self._evm.snapshot(), len(self._touched)

    def revert(self, before: Any) -> None:
        checkpoint, position = before
        self._evm.revert(checkpoint)
        self._go_on("revert", position)
        self._pending |= set(self._touched[position:])

    def set_balance(self, at: str, balance: int) -> None:
        self._evm.set_balance(at, balance)
        self._note(at, ACCOUNT, balance)

    def insert_account_info(self, at: str, info: pyrevm.AccountInfo) -> None:
        self._evm.insert_account_info(at, info)
        self._note(at, ACCOUNT, info)

    def insert_account_storage(self, at: str, index: int, value: int) -> None:
        self._evm.insert_account_storage(at, index, value)
        self._note(at, index, value)

    def _note(self, at: str, slot: int, value: Any) -> None:
        self._go_on("set", at, slot, value)
        self._touched.append((at.lower(), slot))
        self._pending.add((at.lower(), slot))

    def _go_on(self, *what: Any) -> None:
        self._path = sha256(self._path + str((self._chain_id, *map(str, what))).encode()).digest()

    # --- the node

    def _write(self) -> None:
        """What pyrevm has there is what the node has there."""
        calls: list[tuple[str, list[Any]]] = []
        for at, slot in self._pending:
            if slot == ACCOUNT:
                info, was = self._evm.basic(at), self._told.get((at, slot), NOTHING)
                now = (int(info.balance), int(info.nonce), _bare(info))
                if now[0] != was[0]:
                    calls.append(("anvil_setBalance", [at, hex(now[0])]))
                if now[1] != was[1]:
                    calls.append(("anvil_setNonce", [at, hex(now[1])]))
                if now[2] != was[2]:
                    calls.append(("anvil_setCode", [at, "0x" + now[2].hex()]))
                self._told[at, slot] = now
            else:
                value = int(self._evm.storage(at, slot))
                if value != self._told.get((at, slot), 0):
                    calls.append(("anvil_setStorageAt", [at, hex(slot), f"0x{value:064x}"]))
                self._told[at, slot] = value
        self._pending.clear()
        if calls:
            self._ask(calls)

    def _ask(self, calls: list[tuple[str, list[Any]]]) -> list[Any]:
        if self._http is None:
            node = anvil.start(extra=[*NODE, "--chain-id", str(self._chain_id)])
            self._http = http.client.HTTPConnection("127.0.0.1", node.port)
            weakref.finalize(self, _end, node, self._http)
        told = [{"jsonrpc": "2.0", "id": i, "method": m, "params": p} for i, (m, p) in enumerate(calls)]
        self._http.request("POST", "/", json.dumps(told), {"content-type": "application/json"})
        answers = json.loads(self._http.getresponse().read())
        failed = [a["error"] for a in answers if "error" in a]
        assert not failed, failed
        return [a["result"] for a in sorted(answers, key=lambda a: int(a["id"]))]


def _end(node: anvil.Anvil, connection: http.client.HTTPConnection) -> None:
    connection.close()
    node.kill()


def _bare(info: pyrevm.AccountInfo) -> bytes:
    """The code of an account; pyrevm gives it with zeros at its end, and says only in words how long it is."""
    raw = bytes(info.code or b"")
    if raw not in _CODES:
        length = re.search(r"Analysed \{ len: (\d+)", str(info))
        _CODES[raw] = raw[: int(length[1])] if length else raw
    return _CODES[raw]


@cache
def _ours() -> list[tuple[str, bytes, list[tuple[int, int]]]]:
    """Name, code and what is written into it when it is made, of each contract of ours."""
    out = []
    for path in sorted((trace_coverage.ROOT / "contracts" / "artifacts").glob("*.json")):
        made = json.loads(path.read_text("utf-8"))
        code = bytes.fromhex(made.get("runtime", "").removeprefix("0x"))
        if code:
            spots = [(s["start"], s["length"]) for found in made["immutableReferences"].values() for s in found]
            out.append((made["name"], code, spots))
    return out


@cache
def name_of(code: bytes) -> str:
    """Of ours that has this code, whatever its immutable values are; none if it is another's."""
    for name, known, spots in _ours():
        if len(known) != len(code):
            continue
        bare = bytearray(code)
        for start, length in spots:
            bare[start : start + length] = bytes(length)
        if bytes(bare) == known:
            return str(name)
    return ""
