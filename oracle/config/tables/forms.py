"""Forms of texts in the config: addresses on a chain and on the network. An error never repeats a URL: it may hold a secret."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from feeds.chains.abi import checksummed
from feeds.secret_refs import check_refs, has_refs, is_ref, without_refs
from oracle.model.signer_url import HttpSignerUrl, read_signer_url

_ADDRESS_CHARS, _ADDRESS_BYTES = 42, 20
_HASH_BYTES, _MOST_PORT = 32, 65_535
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?", re.ASCII)
_ONLY_DIGITS = re.compile(r"[0-9.]+", re.ASCII)


def raw_address(text: str) -> bytes:
    """The 20 bytes of an address; ValueError says what is wrong: one of mixed case has a checksum (EIP-55)."""
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(text) != _ADDRESS_CHARS or len(raw) != _ADDRESS_BYTES:
        raise ValueError(f"{text!r} is not an address: write 0x and 40 hex digits")
    if text[2:] not in {text[2:].lower(), text[2:].upper()} and text != checksummed(raw):
        raise ValueError(f"{text} has a wrong checksum: write {checksummed(raw)} if that is the address you mean")
    return raw


def address_or_none(text: str) -> bytes | None:
    """The 20 bytes of an address; None where the text is empty, which says that there is none."""
    return raw_address(text) if text else None


def is_http(text: str) -> bool:
    """Whether a text is a URL that HTTP can ask."""
    return _is_url(text, ("http", "https"))


def _plain(text: str) -> str:
    """The text itself; ValueError where it has a sign that readers of addresses take for different things."""
    if "\\" in text or not text.isprintable() or any(c.isspace() for c in text):
        raise ValueError("has a space, a backslash or a line break in it: leave it out, or write %20 for a space")
    return text


def _is_url(text: str, schemes: tuple[str, ...]) -> bool:
    """Whether a text is a URL of one of these schemes; one that is the name of a secret and nothing else may be any."""
    if is_ref(text):
        return True
    try:
        parts = urlsplit(without_refs(text, "x"))
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in schemes and bool(parts.hostname)


def http_url(text: str) -> str:
    """A URL that HTTP can ask; ValueError says what to write."""
    if not is_http(_plain(check_refs(text))):
        raise ValueError("is not a URL: write http:// or https:// and a host")
    return text


def nats_url(text: str) -> str:
    """Address of a NATS server; ValueError says what to write."""
    if not _is_url(_plain(check_refs(text)), ("nats", "tls")):
        raise ValueError("is not the address of a NATS server: write nats:// or tls:// and a host")
    return text


def postgres_url(text: str) -> str:
    """Where a PostgreSQL database is, its password only named; ValueError says what to write."""
    if is_ref(_plain(check_refs(text))):
        return text
    filled_postgres_url(text)
    password = text.split("/", 3)[2].rpartition("@")[0].partition(":")[2]
    if (password and not is_ref(password)) or "password=" in text.partition("?")[2]:
        raise ValueError(
            "holds a password, and secrets are never in the config: write ${NAME} in its place and set that variable"
        )
    return text


def filled_postgres_url(text: str) -> str:
    """The same once its secrets are in it."""
    try:
        parts = urlsplit(without_refs(text, "x"))
        is_one = parts.scheme in {"postgresql", "postgres"} and len(parts.path) > 1
    except ValueError:
        is_one = False
    if not is_one:
        raise ValueError(
            "is not the address of a PostgreSQL database: write postgresql://USER:${PASSWORD}@HOST/DATABASE"
        )
    return text


def websocket_url(text: str) -> str:
    """A URL of a WebSocket; ValueError says what to write."""
    if not _is_url(_plain(check_refs(text)), ("ws", "wss")):
        raise ValueError("is not the URL of a WebSocket: write ws:// or wss:// and a host")
    return text


def signer_url(text: str) -> str:
    """Where a key is that is not in this process, its password or PIN only named; ValueError says what to write."""
    _plain(check_refs(text))
    if is_ref(text) or not isinstance(read_signer_url(text), HttpSignerUrl):
        return text
    user_info = text.split("/", 3)[2].rpartition("@")[0]
    _, colon, password = user_info.partition(":")
    if user_info and not is_ref(password if colon else user_info):
        raise ValueError(
            "holds a password, and secrets are never in the config: write ${NAME} in its place and set that variable"
        )
    return text


def filled_signer_url(text: str) -> str:
    """The same once its secrets are in it."""
    read_signer_url(_plain(text), filled=True)
    return text


def venue_http_url(text: str) -> str:
    """The URL of a venue's requests, which names no secret; ValueError says what to write."""
    return http_url(_without_secret(text))


def venue_websocket_url(text: str) -> str:
    """The URL of a venue's stream, which names no secret; ValueError says what to write."""
    return websocket_url(_without_secret(text))


def _without_secret(text: str) -> str:
    if has_refs(text):
        raise ValueError("names a secret, and a venue is read without one: write the address of a proxy that adds it")
    return text


def peer_url(text: str) -> str:
    """The URL of an operator on its network, which is announced to all; ValueError says what to write."""
    if text.startswith(("http://", "https://")):
        raise ValueError("is not the URL of a WebSocket: write wss:// in place of https://, ws:// in place of http://")
    if has_refs(text):
        raise ValueError("names a secret, and it is told to other operators: write the address itself")
    if "@" in urlsplit(websocket_url(text)).netloc:
        raise ValueError("has a user in it, and it is told to other operators: write host and port only")
    return text


def listen_at(text: str) -> tuple[str, int]:
    """Host and port to listen at; ValueError says what to write."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) <= _MOST_PORT:
        raise ValueError(f"{text!r} is no address to listen at: write HOST:PORT, 0.0.0.0:8651 say")
    host = host.removeprefix("[").removesuffix("]")
    if not _is_host(host):
        raise ValueError(f"{host!r} is neither an IP address nor a name: write HOST:PORT, 0.0.0.0:8651 say")
    return host, int(port)


def _is_host(text: str) -> bool:
    """Whether a text is an IP address, or a name that could be one of a machine."""
    try:
        ip_address(text)
    except ValueError:
        return bool(_HOST_NAME.fullmatch(text)) and not _ONLY_DIGITS.fullmatch(text)
    return True


def is_every_address(host: str) -> bool:
    """Whether a host is 0.0.0.0 or its like: all addresses of this machine, and none that anybody can dial."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def sha256_hash(text: str) -> bytes:
    """The 32 bytes of a SHA-256 in hex of any case, with or without colons; ValueError says what to write."""
    try:
        raw = bytes.fromhex(text.removeprefix("0x").replace(":", ""))
    except ValueError:
        raw = b""
    if len(raw) != _HASH_BYTES:
        raise ValueError(
            f"{text!r} is no SHA-256: write 64 hex digits, as `openssl x509 -fingerprint -sha256` shows them"
        )
    return raw


def utc_time(text: str) -> str:
    """A time in UTC as 2027-01-31T00:00:00Z; ValueError if it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("not a time: write it in UTC as 2027-01-31T00:00:00Z") from None
    if moment.utcoffset() != timedelta(0):
        raise ValueError("a time in UTC ends with Z: 2027-01-31T00:00:00Z")
    return text
