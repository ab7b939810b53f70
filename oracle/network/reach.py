"""How the other operators are reached: told in the log once things have settled, and held against what the chain says of us."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from oracle.network.mesh.link_status import LinkPath, LinkStatus
from oracle.network.operator_network import OperatorNetwork
from oracle.sign.announcement import Announcement

_SETTLED_S = 6.0
"""After a start: members have dialled each other by then, or something is wrong."""
_LOOK_S = 0.5
_log = structlog.get_logger("oracle.network.reach")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Who is reached and how.

    Attributes:
        by_path: names of the operators, by path; of those reached by others with who carries.
        unreached: name, why, and what to do, of each that is not.
        notes: what else should be known at a start.
    """

    by_path: Mapping[LinkPath, tuple[str, ...]]
    unreached: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def reach_of(links: Mapping[bytes, LinkStatus], *, known: Mapping[bytes, bool], urls: tuple[str, ...]) -> Reach:
    """Sort the links.

    Args:
        links: of all other operators.
        known: whether an address of each is known to dial.
        urls: where this operator says that it listens; () where it only dials.
    """
    by_path: dict[LinkPath, list[str]] = {}
    unreached = []
    for address, link in links.items():
        if link.path is LinkPath.NONE:
            unreached.append((link.name, _why(link, is_known=known.get(address, False), listens=bool(urls))))
        else:
            via = f" via {', '.join(link.via)}" if link.path is LinkPath.VIA else ""
            by_path.setdefault(link.path, []).append(link.name + via)
    return Reach(
        by_path={path: tuple(names) for path, names in by_path.items()},
        unreached=tuple(unreached),
        notes=_notes(by_path, links, urls),
    )


def _why(link: LinkStatus, *, is_known: bool, listens: bool) -> str:
    if link.banned_s:
        return f"not taken back for {link.banned_s:.0f} s: {link.last_error}"
    if link.last_error:
        return link.last_error
    if is_known:
        return "dialled, no answer yet"
    back = "it may dial us" if listens else "and nobody can dial us either: one of the two must listen"
    return (
        "no address of it is known: it announces none in the directory (network.directory) or to other operators, and"
        f" network.peers names none; {back}"
    )


def _notes(
    by_path: Mapping[LinkPath, list[str]], links: Mapping[bytes, LinkStatus], urls: tuple[str, ...]
) -> tuple[str, ...]:
    notes = []
    if not links:
        notes.append("no other operator is known: neither the store's signer set nor network.peers names one")
    if not urls:
        notes.append("this operator only dials: it announces no address (network.url), so others cannot reach it first")
    elif links and LinkPath.INBOUND not in by_path:
        notes.append(
            f"nobody has dialled {', '.join(urls)} so far: whether it can be reached from outside is not known;"
            " `lrt-oracle peers` on another operator's machine tells"
        )
    return tuple(notes)


def announced_by(network: OperatorNetwork, address: bytes) -> Announcement | None:
    """The newest announcement of another operator."""
    announced = () if network.mesh is None else network.mesh.announcements()
    return next((s.said for s in announced if s.address == address), None)


def misplaced(network: OperatorNetwork, own: bytes) -> list[str]:
    """What the directory on chain says of this operator and is not true now; nothing where it was not read."""
    entry, place = network.entries.get(own), network.place
    if entry is None:
        return []
    tell = "announce it anew with `lrt-oracle announce --send`"
    if entry.signed is None:
        missing = place.urls and not entry.counter
        return [f"the directory has no announcement of this operator: {tell}"] if missing else []
    said = entry.signed.said
    shown = place.tls.sha256 if place.tls is not None else b""
    differs = [
        f"{name} is {theirs}, here it is {ours}"
        for name, theirs, ours in (
            ("its address", _words(said.urls), _words(place.urls)),
            ("its network key", f"0x{said.network_key.hex()}", f"0x{network.network_address.hex()}"),
            ("the hash of its certificate", said.certificate.hex() or "none", shown.hex() or "none"),
        )
        if theirs != ours
    ]
    return (
        [f"the announcement of this operator on chain is not true any more: {'; '.join(differs)}; {tell}"]
        if differs
        else []
    )


def _words(urls: tuple[str, ...]) -> str:
    return ", ".join(urls) or "none"


async def run_and_tell(network: OperatorNetwork) -> None:
    """Run the network, and tell in the log who is reached once things have settled."""
    telling = asyncio.create_task(_tell(network))
    try:
        await network.run()
    finally:
        telling.cancel()


async def _tell(network: OperatorNetwork) -> None:
    """Once things have settled, and again whenever more are reached than were ever told of, until all are."""
    told = -1
    while True:
        for _ in range(int(_SETTLED_S / _LOOK_S)):
            await asyncio.sleep(_LOOK_S)
            if _reached(network) == len(network.links()) > 0:
                break
        if (reached := _reached(network)) > told:
            log_reach(reach_now(network))
            told = reached
        if reached == len(network.links()) > 0:
            return


def _reached(network: OperatorNetwork) -> int:
    return sum(link.path is not LinkPath.NONE for link in network.links().values())


def reach_now(network: OperatorNetwork) -> Reach:
    """As it is."""
    links = network.links()
    known = {a: _has_address(network, a) for a in links}
    return reach_of(links, known=known, urls=network.place.urls)


def _has_address(network: OperatorNetwork, address: bytes) -> bool:
    peer, said = network.place.peers.get(address), announced_by(network, address)
    return bool(peer is not None and peer.urls) or bool(said is not None and said.urls)


def log_reach(reach: Reach) -> None:
    """One line of who is reached, one of each who is not, and what else should be known; warnings where somebody is not."""
    reached = sum(map(len, reach.by_path.values()))
    by_path = {path.value: ", ".join(names) for path, names in reach.by_path.items()}
    say = _log.warning if reach.unreached or not reached else _log.info
    say("other operators", reached=reached, of=reached + len(reach.unreached), **by_path)
    for name, why in reach.unreached:
        _log.warning("an operator is not reached", operator=name, why=why)
    for note in reach.notes:
        say("reaching other operators", note=note)
