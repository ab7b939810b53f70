"""What operators have announced in the OperatorDirectory of their chain: found by several endpoints, proved by signatures.

One call says for a whole signer set which announcement of each is the newest and in which block its text is; then each new
text is asked for in the logs of exactly that block. Endpoints vote on the call. The text needs no vote: it is signed by the
member itself, so one endpoint that has it is enough, and none can make one up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from feeds.errors import FeedError
from oracle.chain.quorum_rpc import ChainError, QuorumRpc
from oracle.chain.rpc_answers import read_head
from oracle.chain.store_abi import call_of, event_topic
from oracle.sign.announcement import BadAnnouncement, SignedAnnouncement, read_announcement
from oracle.sign.eip712 import Domain

NAME = "OperatorDirectory"


class Silence(StrEnum):
    """Why the directory gives no announcement of a member, or none as new as it could be."""

    NOT_ANNOUNCED = "not_announced"
    CHAIN = "chain"
    NO_LOG = "no_log"
    UNSOUND = "unsound"

    @property
    def advice(self) -> str:
        """What to do."""
        return _ADVICE[self]


_ADVICE = {
    Silence.NOT_ANNOUNCED: "that operator runs `lrt-oracle announce`; or write its url into [network.peers]",
    Silence.CHAIN: "look at the chain's endpoints with `lrt-oracle check`; what was known before stays",
    Silence.NO_LOG: "no endpoint has the logs of that block any more: add one that keeps them, or that operator announces anew",
    Silence.UNSOUND: "an endpoint makes up logs: take it out of the chain's endpoints",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryEntry:
    """What the directory gives of one member.

    Attributes:
        address: of its report key.
        signed: the newest announcement that is known; None where there is none.
        counter: of the newest one that the directory has; 0 where it has none, or it could not be read.
        block: where its text is.
        silence: why ``signed`` is not that one; None where it is.
        text: the same for people.
    """

    address: bytes
    signed: SignedAnnouncement | None
    counter: int = 0
    block: int = 0
    silence: Silence | None = None
    text: str = ""


class Directory:
    """The announcements of one store's operators.

    Args:
        nodes: endpoints of the chain of store and directory.
        contract: address of the OperatorDirectory, 20 bytes.
        domain: the store.
    """

    def __init__(self, nodes: QuorumRpc, contract: bytes, domain: Domain) -> None:
        self._nodes, self._domain = nodes, domain
        self._contract = "0x" + contract.hex()
        self._known: dict[bytes, SignedAnnouncement] = {}

    async def read(self, members: Sequence[bytes]) -> Mapping[bytes, DirectoryEntry]:
        """The newest announcement of each of these report keys; nothing that is wrong with one keeps the others from theirs.

        An announcement that was known and is newer than what endpoints say now stays.
        """
        try:
            places = await self._places(members)
        except ChainError as e:
            return {m: self._without(m, Silence.CHAIN, str(e)) for m in members}
        entries = await asyncio.gather(*(self._entry(m, *places[m]) for m in members))
        return {e.address: e for e in entries}

    async def _places(self, members: Sequence[bytes]) -> dict[bytes, tuple[int, int]]:
        """Counter and block of each member's newest, as of a block that enough endpoints have reached."""
        ((number, _),) = await self._nodes.newest_view(read_head)
        addresses = ["0x" + m.hex() for m in members]
        data, outputs = call_of(NAME, "announcedBy", ("0x" + self._domain.store.hex(), addresses))
        call = {"to": self._contract, "data": "0x" + data.hex()}
        raw: Any = await self._nodes.agreed_value("eth_call", call, hex(number))
        try:
            (places,) = decode(outputs, bytes.fromhex(str(raw)[2:]))
        except (DecodingError, ValueError):
            raise ChainError(
                f"{self._contract} answers {str(raw)[:40]!r}: it is no {NAME}; correct network.directory"
            ) from None
        if len(places) != len(members):
            raise ChainError(f"{self._contract} answers for {len(places)} of {len(members)} members: it is no {NAME}")
        return {m: (int(counter), int(block)) for m, (counter, block) in zip(members, places, strict=True)}

    async def _entry(self, member: bytes, counter: int, block: int) -> DirectoryEntry:
        known = self._known.get(member)
        if known is not None and known.said.counter >= counter:
            return DirectoryEntry(address=member, signed=known, counter=counter, block=block)
        if not counter:
            return self._without(member, Silence.NOT_ANNOUNCED, "it has announced nothing in the directory")
        topics = [event_topic(NAME, "Announced"), self._domain.store.rjust(32, b"\0"), member.rjust(32, b"\0")]
        at = hex(block)
        wanted = {
            "address": self._contract,
            "topics": ["0x" + t.hex() for t in topics],
            "fromBlock": at,
            "toBlock": at,
        }
        found = _Logs(self._domain, member, counter)
        signed = await self._nodes.first_proven("eth_getLogs", wanted, read=found.read)
        if signed is None:
            silence = Silence.UNSOUND if found.unsound and not found.empty else Silence.NO_LOG
            text = f"the directory has announcement {counter} of it in block {block}: {found.told()}"
            return self._without(member, silence, text, counter, block)
        self._known[member] = signed
        return DirectoryEntry(address=member, signed=signed, counter=counter, block=block)

    def _without(self, member: bytes, silence: Silence, text: str, counter: int = 0, block: int = 0) -> DirectoryEntry:
        return DirectoryEntry(
            address=member, signed=self._known.get(member), counter=counter, block=block, silence=silence,
            text=f"{text}; {silence.advice}",
        )  # fmt: skip


class _Logs:
    """Reads endpoints' answers for one member's text, and keeps what was wrong with those that lack it."""

    def __init__(self, domain: Domain, member: bytes, counter: int) -> None:
        self._domain, self._member, self._counter = domain, member, counter
        self.unsound: list[str] = []
        self.empty: list[str] = []

    def read(self, endpoint: str, answer: Any) -> SignedAnnouncement | None:
        """The announcement in an endpoint's answer; None where it is not there."""
        if isinstance(answer, FeedError):
            self.empty.append(f"{endpoint}: {answer}")
            return None
        if not answer:
            self.empty.append(f"{endpoint} has no such log")
            return None
        try:
            for log in answer:
                raw = _announcement_in(log)
                signed = read_announcement(self._domain, raw)
                if signed.address == self._member and signed.said.counter == self._counter:
                    return signed
            self.unsound.append(f"{endpoint} gives an announcement of another key or counter")
        except BadAnnouncement as e:
            self.unsound.append(f"{endpoint}: {e}")
        except (DecodingError, ValueError, TypeError, KeyError, AttributeError):
            self.unsound.append(f"{endpoint} gives logs that cannot be read")
        return None

    def told(self) -> str:
        """What each endpoint had instead."""
        return "; ".join([*self.unsound, *self.empty]) or "no endpoint answers"


def _announcement_in(log: Mapping[str, Any]) -> bytes:
    _, raw = decode(["uint64", "bytes"], bytes.fromhex(str(log["data"])[2:]))
    return bytes(raw)
