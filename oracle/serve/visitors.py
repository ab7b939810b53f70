"""Who asks: the address of a request, behind proxies that are trusted, or the name of its key.

Addresses of IPv6 count by their /64, which is what one household or machine has. What is remembered of addresses is bounded:
who has taken nothing for a while is forgotten first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

import structlog
from aiohttp import web

from oracle.serve.error_codes import ErrorCode
from oracle.serve.public_limits import PublicLimits, Visitor, VisitorLimits
from oracle.serve.web import KEY_HEADER, HttpProblem

MOST_REMEMBERED = 50_000
_LONGEST_CHAIN = 32
_ANONYMOUS = "unknown"
_HOST_BITS = 64
_FORWARDED, _FORWARDED_FOR = "Forwarded", "X-Forwarded-For"
_log = structlog.get_logger("oracle.serve.visitors")


@lru_cache(maxsize=8_192)
def address_in(text: str) -> IPv4Address | IPv6Address | None:
    """The address in a header or of a socket, with or without brackets, port and zone; None where there is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def counted_as(address: IPv4Address | IPv6Address) -> str:
    """The name under which an address is counted."""
    if isinstance(address, IPv4Address):
        return str(address)
    return f"{IPv6Address(int(address) >> _HOST_BITS << _HOST_BITS)}/64"


class Visitors:
    """Everybody who asked lately.

    Args:
        limits: of one address, and of each key.

    Attributes:
        unlisted: requests that came through a proxy that is not in the config.
    """

    def __init__(self, limits: PublicLimits) -> None:
        self._limits = limits
        self._known: dict[str, Visitor] = {}
        self._keys = {hashed: Visitor(f"key {name}", own) for hashed, (name, own) in limits.keys.items()}
        self.unlisted = 0

    def __len__(self) -> int:
        return len(self._known)

    def at(self, peer: str, now_s: float) -> Visitor:
        """Who is at the other end of a connection."""
        address = address_in(peer)
        return self._of_address(address, now_s) if address is not None else self._remembered(_ANONYMOUS, now_s)

    def by_key(self, request: web.BaseRequest) -> Visitor | None:
        """Whose key a request has; None: it has none, or keys are not asked for here.

        Raises:
            HttpProblem: 401, the key is none.
        """
        if not self._keys or (key := request.headers.get(KEY_HEADER)) is None:
            return None
        visitor = self._keys.get(hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest())
        if visitor is None:
            hint = f"ask without {KEY_HEADER}, or ask the operator for a key"
            raise HttpProblem(401, ErrorCode.BAD_KEY, "the key is not known here", hint)
        return visitor

    def of(self, request: web.BaseRequest, peer: Visitor, now_s: float) -> Visitor:
        """From which address a request comes.

        Args:
            request: what is asked.
            peer: who is at the other end of the connection.
            now_s: any steady clock.
        """
        if peer.is_proxy:
            return self._behind(request, peer, now_s)
        if not peer.is_limited and (_FORWARDED_FOR in request.headers or _FORWARDED in request.headers):
            return self._behind_unlisted(peer, now_s)
        return peer

    def _behind(self, request: web.BaseRequest, peer: Visitor, now_s: float) -> Visitor:
        """The last address in the chain that no trusted proxy has: what is before it anybody can have written."""
        for text in reversed(_chain(request, self._limits.proxy_header)):
            address = address_in(text)
            if address is None:
                return self._remembered(_ANONYMOUS, now_s)
            if not any(address in n for n in self._limits.proxies):
                return self._of_address(address, now_s)
        return peer

    def _behind_unlisted(self, peer: Visitor, now_s: float) -> Visitor:
        """Others' requests have no part in what the operator's own machine may do."""
        if not self.unlisted:
            _log.warning("a proxy hands on requests and is not in api.trusted_proxies: all who come through it are"
                         " limited as one", proxy=peer.name)  # fmt: skip
        self.unlisted += 1
        return self._remembered(f"through {peer.name}", now_s)

    def _of_address(self, address: IPv4Address | IPv6Address, now_s: float) -> Visitor:
        name = counted_as(address)
        visitor = self._known.get(name)
        if visitor is not None:
            return visitor
        is_proxy = any(address in n for n in self._limits.proxies)
        is_own = is_proxy or any(address in n for n in self._limits.unlimited)
        return self._remembered(f"own {address}" if is_own else name, now_s, is_limited=not is_own, is_proxy=is_proxy)

    def _remembered(self, name: str, now_s: float, *, is_limited: bool = True, is_proxy: bool = False) -> Visitor:
        visitor = self._known.get(name)
        if visitor is None:
            if len(self._known) >= MOST_REMEMBERED:
                self._forget(now_s)
            limits = self._limits.each if is_limited else VisitorLimits()
            visitor = self._known[name] = Visitor(name, limits, is_limited=is_limited, is_proxy=is_proxy)
        return visitor

    def _forget(self, now_s: float) -> None:
        """Forget who has taken nothing for a while; where that is too few, of the others those that came first."""
        self._known = {n: v for n, v in self._known.items() if not v.is_idle(now_s)}
        for name in list(self._known)[: max(0, len(self._known) - MOST_REMEMBERED // 2)]:
            del self._known[name]


def _chain(request: web.BaseRequest, header: str) -> Sequence[str]:
    """Addresses of a request's way as its proxies wrote them, the nearest last."""
    values = ",".join(request.headers.getall(header, ())).split(",")[-_LONGEST_CHAIN:]
    if header != _FORWARDED.lower():
        return [v for v in values if v.strip()]
    return [_pairs(v).get("for", _ANONYMOUS) for v in values if v.strip()]


def _pairs(element: str) -> Mapping[str, str]:
    pairs = (p.partition("=") for p in element.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
