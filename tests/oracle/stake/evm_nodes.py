"""The reads of stake over an EVM in this process, in the place of endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import pyrevm

from oracle.chain.quorum_rpc import ChainError, NodeRefused, QuorumRpc
from oracle.chain.rpc_answers import BlockHead
from oracle.stake.discover import SourceKind, StakeSource, StakeSystem, discover
from oracle.stake.reads import StakeReads
from tests.contracts.evm_process import OWNER, Evm

_PADDING = bytes(33)
"""With which the EVM keeps code that it has run."""


def code_at(evm: Any, at: str) -> bytes:
    """Of a contract, as it was deployed."""
    return bytes(evm.get_code(at) or b"").removesuffix(_PADDING)


def _reverted_with(text: str) -> bytes:
    """The bytes of a revert, as the EVM's error tells them."""
    output = text.split("output: ")[1].split(" ", maxsplit=1)[0] if "output: " in text else "0x"
    return bytes.fromhex(output.removeprefix("0x"))


class EvmNodes:
    """Endpoints that answer from the EVM.

    Args:
        evm: where contracts are.
        logs: topics that they still have, by address in small letters; None: they do not look back at all.
    """

    def __init__(self, evm: Evm, logs: Mapping[str, Sequence[tuple[str, ...]]] | None = None) -> None:
        self.evm, self.logs = evm.evm, logs
        self.pruned = False
        self.forged: dict[str, bytes] = {}
        """Answers of calls, by calldata."""

    async def agreed_value(self, method: str, what: Any, *_: Any, read: Callable[[Any], Any] = lambda v: v) -> Any:
        if self.pruned:
            raise ChainError("0 of 1 endpoints agree: evm: missing trie node")
        if method == "eth_getCode":
            return read("0x" + code_at(self.evm, what).hex())
        if method == "eth_getLogs":
            if self.logs is None:
                raise ChainError("0 of 1 endpoints agree: evm: block range is too large")
            wanted = what["topics"][0]
            return read([{"topics": t} for t in self.logs.get(what["address"], ()) if t[0] == wanted])
        assert method == "eth_call"
        if (answer := self.forged.get(call_data := what["data"])) is not None:
            return read("0x" + answer.hex())
        before, sender = self.evm.snapshot(), what.get("from", OWNER)
        try:
            with self._as_sender(sender):
                raw = self.evm.message_call(sender, what["to"], bytes.fromhex(call_data[2:]))
        except RuntimeError as e:
            reverted = "execution reverted: " if "revert" in str(e).lower() else ""
            return read(NodeRefused(f"{reverted}{e}", _reverted_with(str(e)), endpoint="evm"))
        finally:
            self.evm.revert(before)
            self.evm.reset_transient_storage()
        return read("0x" + bytes(raw).hex())

    @contextmanager
    def _as_sender(self, at: str) -> Iterator[None]:
        """Nodes let a contract send what they try out, this EVM does not: it has no code meanwhile, as nothing asks for."""
        code = code_at(self.evm, at)
        if code:
            self._set_code(at, b"")
        try:
            yield
        finally:
            if code:
                self._set_code(at, code)

    def _set_code(self, at: str, code: bytes) -> None:
        info = self.evm.basic(at)
        self.evm.insert_account_info(at, pyrevm.AccountInfo(nonce=info.nonce, code=code))
        self.evm.set_balance(at, info.balance)


def reads_of(evm: Evm, logs: Mapping[str, Sequence[tuple[str, ...]]] | None = None) -> StakeReads:
    return StakeReads(cast("QuorumRpc", EvmNodes(evm, logs)), BlockHead(number=1, time_s=evm.now))


def found(reads: StakeReads, store: str) -> StakeSystem:
    """The contracts around a store."""
    return asyncio.run(discover(reads, 1, store.lower()))


def system_of(source: str, kind: SourceKind) -> StakeSystem:
    """A source by itself."""
    nobody = "0x" + "00" * 20
    listed = (StakeSource(at=source.lower(), kind=kind),)
    return StakeSystem(
        chain_id=1, store=nobody, set=nobody, book=nobody, penalties=nobody, rewards=nobody, sources=listed
    )
