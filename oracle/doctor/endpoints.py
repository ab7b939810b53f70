"""Every endpoint by itself: its chain, how new its head is, how far back it knows, whether it agrees with the others, what it refuses."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from feeds.chains.jsonrpc import quantity
from feeds.errors import FeedError
from oracle.chain.quorum_rpc import Node
from oracle.chain.rpc_answers import read_head
from oracle.config.tables.chain_sections import ChainSection
from oracle.doctor.findings import HealthFinding, critical, info, ok, warning

_TIMEOUT_MS = 8_000
_MAX_BODY = 4 << 20
_BEHIND, _DEEP = 3, 128
_SETTLED = 2
_ZERO = "0x" + "00" * 20
_DEPTHS = (10_000, 100_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointLook:
    """What one endpoint says. ``hash``: of the common block. ``state_back``: as many blocks back it still knows balances."""

    name: str
    error: str = ""
    chain_id: int = 0
    number: int = 0
    time_s: int = 0
    state_back: int = 0
    hash: str = ""
    refuses: tuple[str, ...] = field(default=())


async def look_at_endpoints(section: ChainSection) -> list[EndpointLook]:
    """Ask each of a chain's endpoints by itself."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        nodes = [Node(u, session=session, timeout_ms=_TIMEOUT_MS, max_body=_MAX_BODY) for u in section.endpoints]
        heads = await asyncio.gather(*(_head(n) for n in nodes))
        common = min((h.number for h in heads if h.number and h.chain_id == section.chain_id), default=0) - _SETTLED
        return list(await asyncio.gather(*(_more(n, h, max(0, common)) for n, h in zip(nodes, heads, strict=True))))


async def _head(node: Node) -> EndpointLook:
    try:
        chain_id = quantity(await node.request("eth_chainId", ()))
        number, time_s = read_head(await node.request("eth_getBlockByNumber", ("latest", False)))
    except FeedError as e:
        return EndpointLook(name=node.name, error=f"{e}")
    except (TypeError, ValueError, KeyError) as e:
        return EndpointLook(name=node.name, error=f"its answer cannot be read ({type(e).__name__})")
    return EndpointLook(name=node.name, chain_id=chain_id, number=number, time_s=time_s)


async def _more(node: Node, head: EndpointLook, common: int) -> EndpointLook:
    if head.error:
        return head
    newest = hex(head.number)
    asked: dict[str, Sequence[Any]] = {
        "eth_getLogs": ({"address": _ZERO, "fromBlock": newest, "toBlock": newest},),
        "eth_feeHistory": ("0x1", "latest", [50]),
        "eth_gasPrice": (),
        "eth_getCode": (_ZERO, newest),
        "eth_call": ({"to": _ZERO, "data": "0x"}, newest),
        "eth_getTransactionCount": (_ZERO, "pending"),
    }
    answers, (block, *states) = await asyncio.gather(
        asyncio.gather(*(_answer(node, m, p) for m, p in asked.items())),
        asyncio.gather(
            _answer(node, "eth_getBlockByNumber", (hex(common), False)),
            *(_answer(node, "eth_getBalance", (_ZERO, hex(head.number - b))) for b in _backs(head.number)),
        ),
    )
    known = [b for b, s in zip(_backs(head.number), states, strict=True) if not isinstance(s, FeedError)]
    return EndpointLook(
        name=head.name, chain_id=head.chain_id, number=head.number, time_s=head.time_s,
        state_back=max(known, default=0), hash=str(block.get("hash", "")) if isinstance(block, Mapping) else "",
        refuses=tuple(m for m, a in zip(asked, answers, strict=True) if isinstance(a, FeedError)),
    )  # fmt: skip


def _backs(number: int) -> list[int]:
    """How far back is asked: a little, as a store's history needs, and to the first block."""
    return sorted({b for b in (_DEEP, *_DEPTHS, number - 1) if 0 < b < number})


async def _answer(node: Node, method: str, params: Sequence[Any]) -> Any:
    try:
        return await node.request(method, tuple(params))
    except FeedError as e:
        return e


def endpoint_findings(
    chain: str, section: ChainSection, looks: Sequence[EndpointLook], now_ms: int
) -> Iterator[HealthFinding]:
    """What is wrong with the endpoints of one chain. Pure."""
    right = [o for o in looks if not o.error and o.chain_id == section.chain_id]
    newest = max((o.number for o in right), default=0)
    deepest = max((o.state_back for o in right), default=0)
    hashes = Counter(o.hash for o in right if o.hash).most_common()
    replace = f"replace it in chains.{chain}.endpoints"
    for look in looks:
        whose = f"{chain}: {look.name}"
        if look.error:
            yield warning("endpoints", f"{whose}: {look.error}", f"try it by hand, or {replace}")
            continue
        if look.chain_id != section.chain_id:
            text = f"{whose} serves chain {look.chain_id}, not {section.chain_id}"
            yield critical("endpoints", text, f"it is left out: correct its address, or {replace}")
            continue
        faults = list(_faults(look, newest, deepest, now_ms, section.max_head_age_s))
        if len(hashes) > 1 and look.hash and look.hash != hashes[0][0]:
            faults.append(("has another block than the other endpoints at the same height", "it is on a fork, or lies"))
        for text, why in faults:
            yield warning("endpoints", f"{whose} {text}", f"{why}: {replace}, or ask who runs it")
        if look.refuses:
            text = f"{whose} does not answer {', '.join(look.refuses)}"
            yield info("endpoints", text, "another endpoint of the chain must, or add one that does")
        if not faults:
            yield ok("endpoints", f"{whose}: block {look.number}, knows balances of {look.state_back} blocks before")
    if not right:
        text = f"{chain}: no endpoint serves chain {section.chain_id}"
        yield critical("endpoints", text, f"put one that does into chains.{chain}.endpoints")


def _faults(look: EndpointLook, newest: int, deepest: int, now_ms: int, most_s: int) -> Iterator[tuple[str, str]]:
    age_s = now_ms // 1_000 - look.time_s
    if newest - look.number > _BEHIND:
        yield f"is {newest - look.number} blocks behind the newest one", "it does not keep up"
    elif age_s > most_s:
        yield (
            f"has a head that is {age_s} s old, above {most_s} s (max_head_age_s)",
            "it stands still, or this clock is off",
        )
    if look.number > _DEEP > look.state_back:
        yield f"knows no state of {_DEEP} blocks before", "averages and history need it, and a node prunes no earlier"
    elif look.state_back < deepest:
        text = f"knows the state of {look.state_back} blocks before, others of {deepest}"
        yield f"is no archive: it {text}", "stake at a freeze and history are read from the others alone"
