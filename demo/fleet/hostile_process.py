"""What a process does to the network when it is hostile: it is the real one, with its keys, its links and its peers' patience."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from demo.fleet.misbehaving import Listening
from oracle.build import Components
from oracle.network.mesh.frames import FrameKind
from oracle.network.mesh.link import Link
from oracle.network.operator_network import OperatorNetwork

_REPLAYED = 400
_FLOOD = bytes(1_024)
_FLOOD_PAUSE_S = 0.0005
_HALF_PAUSE_S = 0.5
Task = Callable[[], Coroutine[None, None, None]]


def keep_ear(components: Components) -> None:
    """Let a member hear the values of others."""
    network = components.network
    ears = [m.ear for m in components.agreements.members if isinstance(m, Listening)]
    if network is None or not ears:
        return
    receive = network.receive

    def heard(sender: bytes, payload: bytes) -> str:
        for ear in ears:
            ear.listen(payload)
        return receive(sender, payload)

    network.receive = heard


def never_mute(components: Components) -> None:
    """Go on, whoever hears what of the own key: a round, the network, the watch. An honest operator goes mute."""
    components.agreements.mute = lambda member: False  # type: ignore[method-assign]  # noqa: ARG005 - of this one object


def speak_old_version(components: Components) -> None:
    """Be a release of before: everything on other terms."""
    agreements = components.agreements
    agreements.rules = replace(agreements.rules, version=agreements.rules.version - 1)


def replay(components: Components) -> None:
    """Say with each word one of old as well: of this round, of the last ones, in any order."""
    network = _network(components)
    said: deque[bytes] = deque(maxlen=_REPLAYED)
    broadcast = network.broadcast

    def again(payload: bytes) -> None:
        broadcast(payload)
        for old in list(said)[:: max(1, len(said) // 8)]:
            broadcast(old)
        said.append(payload)

    network.broadcast = again  # type: ignore[method-assign]  # of this one object


def flood(components: Components) -> list[Task]:
    """Send a kilobyte as often as the machine can, past all limits that an honest process keeps for itself."""
    network = _network(components)

    async def run() -> None:
        while True:
            for link in _links(network):
                await _raw(link, FrameKind.DATA, _FLOOD)
            await asyncio.sleep(_FLOOD_PAUSE_S)

    return [run]


def send_half_frames(components: Components) -> list[Task]:
    """Now and then a frame that ends in the middle."""
    network = _network(components)

    async def run() -> None:
        while True:
            await asyncio.sleep(_HALF_PAUSE_S)
            for link in _links(network):
                await _raw(link, FrameKind.DATA, _FLOOD, part=0.5)

    return [run]


def _network(components: Components) -> OperatorNetwork:
    if components.network is None:
        raise ValueError("a hostile process needs [network]")
    return components.network


def _links(network: OperatorNetwork) -> list[Link]:
    mesh = network.mesh
    states: Any = mesh._states.values() if mesh is not None else ()  # noqa: SLF001 - past the limits is past the interface
    return [s.link for s in states if s.link is not None]


async def _raw(link: Link, kind: int, body: bytes, part: float = 1.0) -> None:
    sealed = link._met.sealing.sealed(kind, body)  # noqa: SLF001 - as above
    try:
        await link._socket.send_bytes(sealed[: int(len(sealed) * part)])  # noqa: SLF001 - as above
    except (OSError, RuntimeError):
        return
