"""Who is behind an address on the network: its host in one spelling, its registrable domain, its provider's name.

Two addresses are one server where nothing is left of their difference but spelling and keys; two servers are one provider
where one party runs both. Nothing here asks a network.
"""

from __future__ import annotations

import ipaddress
import posixpath
import re
import socket
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote, urlsplit

from feeds.secret_refs import has_refs, without_refs

LOOPBACK = "localhost"
_LOOPBACK_NAMES = frozenset(
    {LOOPBACK, "localhost.localdomain", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback"}
)
"""Names of this machine in the hosts file of one system or another."""
_NUMBERS = re.compile(r"(?:0x[0-9a-f]+|[0-9]+)(?:\.(?:0x[0-9a-f]+|[0-9]+)){0,3}", re.ASCII)
"""An IPv4 address as resolvers read it: one to four numbers, each decimal, octal or hexadecimal."""
_ADDRESS_IN_NAME = re.compile(
    r"(?:.*[.-])?([0-9]{1,3}(?:([.-])[0-9]{1,3})(?:\2[0-9]{1,3}){2})\.(?:nip\.io|sslip\.io|xip\.io|traefik\.me)",
    re.ASCII,
)
"""Names of public services that lead to the IPv4 address in them."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_IPV4_MASK = (1 << 32) - 1
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
    "coindesk.com": "CoinDesk Data",
    "ccdata.io": "CoinDesk Data",
    "cryptocompare.com": "CoinDesk Data",
    "coingecko.com": "CoinGecko",
    "geckoterminal.com": "CoinGecko",
    "coinpaprika.com": "CoinPaprika",
    "dexpaprika.com": "CoinPaprika",
    "kaiko.com": "Kaiko",
    "kaiko.io": "Kaiko",
})  # fmt: skip
"""Domains of providers that have more than one, or whose domain does not name them; the first of each stands for all."""
_KEYS = (
    re.compile(r"[0-9a-f]{32,}", re.IGNORECASE | re.ASCII),
    re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII),
    re.compile(r"(?=.*[A-Z])(?=.*[a-z])(?=.*[0-9])[A-Za-z0-9_-]{20,}", re.ASCII),
)
"""What a provider gives out as a key: hex, a UUID, or base64 of the web."""
_KEY_NAMES = re.compile(r"key|token|secret|auth|sig", re.IGNORECASE)


def plain_host(url: str) -> str:
    """The host of an address in one spelling: lower case, no dot at its end, every name of this machine as ``localhost``.

    A name in other letters is as it is asked for (``xn--``), an IP address as its numbers are usually written.
    """
    host = _in_ascii(urlsplit(without_refs(url, "x")).hostname or "").rstrip(".")
    if host in _LOOPBACK_NAMES or host.endswith("." + LOOPBACK):
        return LOOPBACK
    known = _ip_address(host)
    if known is None:
        return host
    return LOOPBACK if known.is_loopback or known.is_unspecified else str(known)


def _in_ascii(host: str) -> str:
    """A name as resolvers are asked for it; one that is none as it is."""
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return host


def _ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that a host is or contains; an IPv4 address by whichever of its names in IPv6. None for other names."""
    if named := _ADDRESS_IN_NAME.fullmatch(host):
        host = named[1].replace("-", ".")
    try:
        if _NUMBERS.fullmatch(host):
            return ipaddress.IPv4Address(socket.inet_aton(host))
        known = ipaddress.ip_address(host.partition("%")[0])
    except (OSError, ValueError):
        return None
    if isinstance(known, ipaddress.IPv4Address):
        return known
    inner = known.ipv4_mapped or known.sixtofour
    return inner or (ipaddress.IPv4Address(int(known) & _IPV4_MASK) if known in _NAT64 else known)


def server_of(url: str) -> tuple[str, int | None, str, tuple[tuple[str, str], ...]]:
    """What tells a server from others: host, port, path and parameters, without keys, names of secrets and user info.

    A host's two usual ports, with and without encryption, are one server's.
    """
    parts = urlsplit(without_refs(url, _NAMED))
    path = "/".join(p for p in _plain_path(parts.path).split("/") if p and not _is_key(p))
    query = ((k, v) for k, v in parse_qsl(parts.query) if not (_KEY_NAMES.search(k) or _is_key(v)))
    port = port_of(url)
    port = _PORTS["https"] if port == _PORTS["http"] else port
    return plain_host(url), port, path, tuple(sorted(query))


def port_of(url: str) -> int | None:
    """The port that an address leads to; None where its scheme has no usual one."""
    parts = urlsplit(without_refs(url, "x"))
    return parts.port or _PORTS.get(parts.scheme.lower())


def _plain_path(path: str) -> str:
    """A path without the steps that lead nowhere: ``/./`` and ``/x/..``."""
    return posixpath.normpath("/" + unquote(path))


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


def party_domain(domain: str) -> str:
    """The domain that stands for all of those of one provider; a domain that is not known to have others as it is."""
    provider = _FAMILIES.get(domain)
    return domain if provider is None else next(d for d, p in _FAMILIES.items() if p == provider)


def provider_of(url: str) -> str | None:
    """Who runs the server at an address, by its domain; None where a secret stands for the host."""
    if has_refs(url.split("/", 3)[2] if url.count("/") > 1 else url):
        return None
    domain = domain_of(plain_host(url))
    return _FAMILIES.get(domain, domain)
