"""Who is behind an address on the network: its host in one spelling, its registrable domain, its provider's name.

Two addresses are one server where nothing is left of their difference but spelling and keys; two servers are one provider
where one party runs both. Nothing here asks a network.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote, urlsplit

from feeds.secret_refs import has_refs, without_refs

LOOPBACK = "localhost"
_PORTS: Mapping[str, int] = MappingProxyType({"http": 80, "https": 443, "ws": 80, "wss": 443})
_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "go", "gov", "ne", "net", "or", "org"})
_TWO_LETTERS = 2
_SHARED = frozenset({
    "amazonaws.com", "appspot.com", "azurewebsites.net", "cloudfront.net", "cloudfunctions.net", "deno.dev", "fly.dev",
    "github.io", "gitlab.io", "herokuapp.com", "netlify.app", "ngrok.io", "onrender.com", "pages.dev", "railway.app",
    "run.app", "trycloudflare.com", "vercel.app", "web.app", "workers.dev",
})  # fmt: skip
"""Domains under which everybody may have a host: only the whole of it tells who."""
_FAMILIES: Mapping[str, str] = MappingProxyType({
    "alchemy.com": "Alchemy",
    "alchemyapi.io": "Alchemy",
    "allnodes.com": "Allnodes",
    "allnodes.me": "Allnodes",
    "ankr.com": "Ankr",
    "chainstack.com": "Chainstack",
    "p2pify.com": "Chainstack",
    "infura.io": "Infura",
    "llamanodes.com": "LlamaNodes",
    "llamarpc.com": "LlamaNodes",
    "publicnode.com": "Allnodes",
    "quicknode.com": "QuickNode",
    "quicknode.pro": "QuickNode",
    "quiknode.pro": "QuickNode",
})  # fmt: skip
"""Domains of providers that have more than one, or whose domain does not name them."""
_KEYS = (
    re.compile(r"[0-9a-f]{32,}", re.IGNORECASE | re.ASCII),
    re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII),
    re.compile(r"(?=.*[A-Z])(?=.*[a-z])(?=.*[0-9])[A-Za-z0-9_-]{20,}", re.ASCII),
)
"""What a provider gives out as a key: hex, a UUID, or base64 of the web."""
_KEY_NAMES = re.compile(r"key|token|secret|auth|sig", re.IGNORECASE)


def plain_host(url: str) -> str:
    """The host of an address in one spelling: lower case, no dot at its end, every name of this machine as ``localhost``."""
    host = (urlsplit(without_refs(url, "x")).hostname or "").rstrip(".")
    if host == LOOPBACK or host.endswith("." + LOOPBACK):
        return LOOPBACK
    try:
        known = ipaddress.ip_address(int(host) if host.isascii() and host.isdigit() else host.partition("%")[0])
    except ValueError:
        return host
    mapped = known.ipv4_mapped if isinstance(known, ipaddress.IPv6Address) else None
    known = mapped or known
    return LOOPBACK if known.is_loopback or known.is_unspecified else str(known)


def server_of(url: str) -> tuple[str, int | None, str, tuple[tuple[str, str], ...]]:
    """What tells a server from others: host, port, path and parameters, without keys, names of secrets and user info."""
    parts = urlsplit(without_refs(url, _NAMED))
    path = "/".join(p for p in unquote(parts.path).split("/") if p and not _is_key(p))
    query = ((k, v) for k, v in parse_qsl(parts.query) if not (_KEY_NAMES.search(k) or _is_key(v)))
    port = parts.port or _PORTS.get(parts.scheme.lower())
    return plain_host(url), port, path, tuple(sorted(query))


_NAMED = "named-secret-0-named-secret"


def _is_key(text: str) -> bool:
    return _NAMED in text or any(form.fullmatch(text) for form in _KEYS)


def domain_of(host: str) -> str:
    """The registrable domain of a host in :func:`plain_host`'s spelling: what one party has; an IP address as it is."""
    labels = host.split(".")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return host
    if any(host.endswith("." + shared) for shared in _SHARED):
        return host
    size = 2
    if len(labels) > size and len(labels[-1]) == _TWO_LETTERS and labels[-2] in _SECOND_LEVEL:
        size += 1
    return ".".join(labels[-size:])


def provider_of(url: str) -> str | None:
    """Who runs the server at an address, by its domain; None where a secret stands for the host."""
    if has_refs(url.split("/", 3)[2] if url.count("/") > 1 else url):
        return None
    domain = domain_of(plain_host(url))
    return _FAMILIES.get(domain, domain)
