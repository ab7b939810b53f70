"""A hostile network on one machine: between operators' processes stand seeded relays that delay, drop, stall, repeat, reorder, cut.

Each ordered pair (who dials, who listens) has a link with an address of its own, which the dialler is told in place of the
listener's. A link carries WebSocket connections and looks into no frame. What happens to frame n of a direction follows from
the seed, the link's name and n alone, so a run can be told again whatever the machine was doing.

A handshake that binds the listener's certificate notices a relay with another: give the link the listener's own files
(:func:`demo.world.self_signed.read_certificate`), or let both ends speak ws://, as behind a proxy that terminates TLS.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from copy import deepcopy
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from demo.world.hostile_link import HostileLink, LinkCounts, LinkName
from demo.world.link_conditions import Conditions, FrameFate, HostileNetworkError, fate_of
from demo.world.self_signed import ServerCertificate, self_signed


class PartitionKind(StrEnum):
    """How a partition looks from inside."""

    CUT = "cut"
    """Connections break, and dials are refused at once."""
    SILENT = "silent"
    """Nothing is answered: what is sent waits in sockets, dials hang, and all of it goes on after the partition heals."""


class HostileNetwork:
    """All links of one run, in one event loop. An asynchronous context manager; without it, call :meth:`close`.

    Args:
        seed: of every frame's fate.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._links: dict[LinkName, HostileLink] = {}
        self._stack = ExitStack()
        self._certificate: ServerCertificate | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def certificate(self) -> ServerCertificate:
        """A certificate of the network's own, made when it is first asked for."""
        if self._certificate is None:
            folder = self._stack.enter_context(tempfile.TemporaryDirectory())
            self._certificate = self_signed(Path(folder))
        return self._certificate

    async def add_link(
        self, dialler: str, listener: str, target_url: str, *, certificate: ServerCertificate | None = None
    ) -> str:
        """Stand between two operators; returns the address that the dialler is to be told.

        Args:
            dialler: the operator that dials.
            listener: the operator that listens at ``target_url`` (ws:// or wss://, whatever its certificate).
            target_url: need not be listened at yet; the dialler's path and query are added to it.
            certificate: shown to the dialler, whose address is then wss://; None for ws://.

        Raises:
            HostileNetworkError: the link is there already, or the address is none.
        """
        name = LinkName(dialler, listener)
        parts = urlsplit(target_url)
        if parts.scheme not in {"ws", "wss"} or not parts.hostname:
            raise HostileNetworkError(f"{target_url} is no address to relay to: write ws:// or wss:// and a host")
        if dialler == listener or name in self._links:
            raise HostileNetworkError(f"link {dialler} -> {listener}: there already, or both ends are one operator")
        link = HostileLink(name, target_url, seed=self.seed, certificate=certificate)
        await link.start()
        self._links[name] = link
        return link.url

    async def add_all(
        self,
        targets: Mapping[str, str],
        *,
        only_dial: Collection[str] = (),
        certificates: Mapping[str, ServerCertificate] | None = None,
    ) -> dict[LinkName, str]:
        """Stand between every two operators; returns the address of each link, for its dialler's ``[network.peers]``.

        Args:
            targets: where each operator that listens does so, by name.
            only_dial: operators that never listen.
            certificates: what a link to an operator shows, by the operator's name; ws:// to those without.

        Raises:
            HostileNetworkError: see :meth:`add_link`.
        """
        return {
            LinkName(dialler, listener): await self.add_link(
                dialler, listener, target, certificate=(certificates or {}).get(listener)
            )
            for dialler in (*targets, *only_dial)
            for listener, target in targets.items()
            if dialler != listener
        }

    def plan(
        self,
        conditions: Conditions,
        *,
        links: Iterable[tuple[str, str]] | None = None,
        senders: Collection[str] | None = None,
    ) -> None:
        """Set the conditions of directions from now on; what is under way keeps the times that it was given.

        Args:
            conditions: in place of those before.
            links: of these links (dialler, listener); None for all.
            senders: of these only what these operators send; None for all.

        Raises:
            HostileNetworkError: a link or operator is unknown.
        """
        self._known(*(senders or ()))
        for link in self._chosen(links):
            for direction in link.directions.values():
                if senders is None or direction.sender in senders:
                    direction.conditions = conditions
                    direction.renew()

    def cut(self, links: Iterable[tuple[str, str]] | None = None) -> None:
        """Break the connections of these links (None: of all) and refuse dials until :meth:`heal`."""
        for link in self._chosen(links):
            link.cut()

    def break_once(self, links: Iterable[tuple[str, str]] | None = None) -> None:
        """Break the connections of these links (None: of all) once; new ones are accepted."""
        for link in self._chosen(links):
            link.break_connections()

    def partition(self, groups: Sequence[Collection[str]], *, kind: PartitionKind = PartitionKind.CUT) -> None:
        """Part the operators: links inside a group stay as they are (and heal), links between groups carry nothing.

        Args:
            groups: every operator once.
            kind: how it looks from inside.

        Raises:
            HostileNetworkError: an operator is unknown, missing or named twice.
        """
        named = [name for group in groups for name in group]
        self._known(*named)
        missing = sorted(self.operators - set(named))
        if missing or len(named) != len(set(named)):
            raise HostileNetworkError(f"a partition names every operator once; missing: {', '.join(missing) or 'none'}")
        group_of = {name: i for i, group in enumerate(groups) for name in group}
        for link in self._links.values():
            link.heal()
            if group_of[link.name.dialler] != group_of[link.name.listener]:
                (link.cut if kind is PartitionKind.CUT else link.silence)()

    def heal(self) -> None:
        """End partitions and cuts of all links; the planned conditions stay."""
        for link in self._links.values():
            link.heal()

    def stats(self) -> Mapping[LinkName, LinkCounts]:
        """A copy of all counts, of one moment."""
        return {name: deepcopy(link.counts) for name, link in self._links.items()}

    def fate(self, dialler: str, listener: str, sender: str, number: int) -> FrameFate:
        """The fate that frame ``number`` of a direction meets under its present conditions; the first is 0."""
        (link,) = self._chosen([(dialler, listener)])
        self._known(sender)
        conditions = link.directions[sender].conditions
        return fate_of(
            conditions, seed=self.seed, dialler=dialler, listener=listener, sender=sender, number=number
        )  # fmt: skip

    @property
    def operators(self) -> frozenset[str]:
        """Every operator at either end of a link."""
        return frozenset(operator for name in self._links for operator in name)

    async def close(self) -> None:
        """Break all connections, stop listening, end every task."""
        await asyncio.gather(*(link.close() for link in self._links.values()))
        self._stack.close()

    def _chosen(self, links: Iterable[tuple[str, str]] | None) -> list[HostileLink]:
        if links is None:
            return list(self._links.values())
        names = [LinkName(*link) for link in links]
        for name in names:
            if name not in self._links:
                raise HostileNetworkError(f"there is no link {name.dialler} -> {name.listener}: add it first")
        return [self._links[name] for name in names]

    def _known(self, *operators: str) -> None:
        for operator in operators:
            if operator not in self.operators:
                raise HostileNetworkError(f"no link begins or ends at {operator}: add one first")
