"""Members with keys, announcements and meshes of their own, in one process, over real sockets with TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import coincurve
from eth_hash.auto import keccak

from oracle.network.mesh.certificates import ServerTls, self_signed
from oracle.network.mesh.faults import LinkRefused
from oracle.network.mesh.limits import MeshLimits
from oracle.network.mesh.listener import Listen
from oracle.network.mesh.mesh import Mesh
from oracle.network.mesh.roster import Peer
from oracle.sign.announcement import Announcement, SignedAnnouncement, announcement_preimage, signed_announcement
from oracle.sign.eip712 import Domain, address_of, sign_compact

DOMAIN = Domain(31_337, b"\x11" * 20)
QUICK = MeshLimits(ping_s=0.05, first_retry_s=0.02, keep_s=30.0, yield_s=0.02)
"""Pauses are short and nothing expires: what a test waits for is an event, not a time."""
LONG_S = 60.0


def key_of(text: str) -> coincurve.PrivateKey:
    return coincurve.PrivateKey(keccak(text.encode()))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def refusal_of(call: Callable[[], object]) -> LinkRefused | None:
    """What a call is refused with; None where it is not."""
    try:
        call()
    except LinkRefused as e:
        return e
    return None


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(LONG_S):
        while not condition():  # noqa: ASYNC110 - whatever the condition looks at has no event
            await asyncio.sleep(0.005)


@dataclass
class Member:
    """A report key, a network key, an announcement, and the mesh that shows them."""

    name: str
    domain: Domain = DOMAIN
    report: coincurve.PrivateKey = field(init=False)
    network: coincurve.PrivateKey = field(init=False)
    tls: ServerTls | None = None
    port: int = 0
    counter: int = 1
    mesh: Mesh = field(init=False)
    got: list[tuple[bytes, bytes]] = field(default_factory=list)
    ups: list[bytes] = field(default_factory=list)
    heard: list[SignedAnnouncement] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.report, self.network = key_of(f"report {self.name}"), key_of(f"network {self.name}")

    @property
    def address(self) -> bytes:
        return address_of(self.report)

    @property
    def url(self) -> str:
        return f"{'wss' if self.tls else 'ws'}://127.0.0.1:{self.port}/mesh"

    def signed(self, **changes: Any) -> SignedAnnouncement:
        said = Announcement(
            counter=self.counter,
            network_key=address_of(self.network),
            urls=(self.url,) if self.port else (),
            certificate=self.tls.sha256 if self.tls else b"",
        )
        said = replace(said, **changes)
        digest = keccak(announcement_preimage(self.domain, said))
        return signed_announcement(self.address, said, sign_compact(self.report, digest))

    def peer(self, **changes: Any) -> Peer:
        return replace(Peer(address=self.address, name=self.name), **changes)

    def make(self, limits: MeshLimits = QUICK, *, max_backoff_s: float = 0.2, **more: Any) -> Mesh:
        listen = Listen(port=self.port, tls=self.tls) if self.port else None
        defaults: dict[str, Any] = {
            "domain": self.domain,
            "network_key": self.network,
            "announced": self.signed(),
            "on_message": lambda sender, payload: self.got.append((sender, payload)),
            "on_up": self.ups.append,
            "on_announcement": self.heard.append,
            "listen": listen,
            "limits": limits,
            "max_backoff_s": max_backoff_s,
            "build": "1.2.3",
        }
        self.mesh = Mesh(**(defaults | more))
        return self.mesh

    def payloads(self, sender: Member) -> list[bytes]:
        return [p for a, p in self.got if a == sender.address]

    def sees(self, other: Member) -> Any:
        return self.mesh.links()[other.address]


def member(name: str, *, listens: bool = True, tls: bool = True) -> Member:
    return Member(name, tls=self_signed() if tls and listens else None, port=free_port() if listens else 0)


def know(members: Sequence[Member], *, told: Iterable[Member] | None = None) -> None:
    """All know all as members; ``told``: whose announcements they know already, None: everybody's."""
    known = [m.signed() for m in (members if told is None else told)]
    for one in members:
        one.mesh.set_peers([m.peer() for m in members], known)


@contextlib.asynccontextmanager
async def running(*members: Member) -> AsyncIterator[None]:
    """Start the meshes of members, which have been made, and close them in the end."""
    try:
        for one in members:
            await one.mesh.start()
        yield
    finally:
        for one in members:
            await one.mesh.close()


def linked(*members: Member) -> bool:
    """Whether each pair has a link, and both know the same one."""
    pairs = [(one, other) for one in members for other in members if one.address < other.address]
    return all(
        other.address in one.mesh.links()
        and one.address in other.mesh.links()
        and {one.sees(other).path, other.sees(one).path} == {"direct", "inbound"}
        for one, other in pairs
    )
