"""What a push needs apart from its store: the relays that it is sent to, and the views that it pokes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from feeds.chains.abi import selector
from feeds.chains.jsonrpc import quantity
from feeds.errors import FeedError, RateLimited, WrongChain
from oracle.chain.quorum_rpc import Node, NodeRefused
from oracle.chain.store_client import StoreClient
from oracle.config.tables.schema import Problem

_TIMEOUT_MS = 8_000
_MAX_BODY = 1 << 16
_WORD = 32
_UNLESS_DEPEG = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """What a relay says: ``error`` where nothing can be sent there, ``note`` where it answers and does not state its chain."""

    place: int
    error: str = ""
    note: str = ""


async def relay_findings(name: str, urls: Sequence[str], chain_id: int) -> tuple[list[Problem], list[str]]:
    """Ask every relay for its chain, as the pusher does before it sends; problems and notes."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        found = await asyncio.gather(*(_relay(i, url, session, chain_id) for i, url in enumerate(urls)))
    problems = [Problem(f"targets.{name}.relays[{r.place}]", r.error) for r in found if r.error]
    notes = [
        f"target {name}: relays[{r.place}]: {r.note}: nothing is sent there until it does" for r in found if r.note
    ]
    if notes and all(r.error or r.note for r in found):
        text = (
            "no relay states its chain, so nothing can be sent: name one that answers eth_chainId, or leave relays out"
        )
        problems.append(Problem(f"targets.{name}.relays", text))
    return problems, notes


async def _relay(place: int, url: str, session: aiohttp.ClientSession, chain_id: int) -> Relay:
    node = Node(url, session=session, timeout_ms=_TIMEOUT_MS, max_body=_MAX_BODY)
    try:
        served = quantity(await node.request("eth_chainId", ()))
    except (NodeRefused, RateLimited) as e:
        return Relay(place=place, note=f"{node.name} answers but does not state its chain ({e.detail[:80]})")
    except FeedError as e:
        return Relay(place=place, error=f"{e}; {e.advice}")
    if served != chain_id:
        wrong = WrongChain(endpoint=node.name, expected=chain_id, served=served)
        return Relay(place=place, error=f"{wrong}; {wrong.advice}")
    return Relay(place=place)


async def poke_problems(name: str, views: Sequence[str], client: StoreClient) -> list[Problem]:
    """Addresses that are poked and are no ModeView of mode 4: a push would leave them out, each time with a warning.

    Raises:
        ChainError: too few endpoints answer.
    """
    asked = [("mode()", v) for v in views] + [("rampS()", v) for v in views]
    said = await asyncio.gather(*(_word_of(client, v, function) for function, v in asked))
    modes, ramps = said[: len(views)], said[len(views) :]
    return list(_poke_problems(name, views, modes, ramps))


def _poke_problems(
    name: str, views: Sequence[str], modes: Sequence[int | None], ramps: Sequence[int | None]
) -> Iterator[Problem]:
    for place, (view, mode, ramp) in enumerate(zip(views, modes, ramps, strict=True)):
        if mode is None or ramp is None:
            text = f"there is no ModeView at {view}: correct the address, or leave it out"
        elif mode != _UNLESS_DEPEG:
            text = (
                f"the ModeView at {view} has mode {mode}, and only one of mode {_UNLESS_DEPEG} has a ramp: leave it out"
            )
        else:
            continue
        yield Problem(f"targets.{name}.pokes[{place}]", text)


async def _word_of(client: StoreClient, view: str, function: str) -> int | None:
    """The integer that a view function gives; None where it gives none, or reverts."""
    call = {"to": view, "data": "0x" + selector(function).hex()}
    raw = await client.nodes.agreed_value("eth_call", call, "latest", read=_given)
    return int.from_bytes(raw, "big") if len(raw) == _WORD else None


def _given(answer: Any) -> bytes:
    """Return data; none of a call that reverts."""
    if isinstance(answer, NodeRefused):
        return b""
    if isinstance(answer, FeedError):
        raise answer
    return bytes.fromhex(answer.removeprefix("0x"))
