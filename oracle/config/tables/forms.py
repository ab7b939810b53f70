"""Forms of texts in the config: addresses on a chain and on the network. An error never repeats a URL: it may hold a secret."""

from __future__ import annotations

from urllib.parse import urlsplit

_ADDRESS_CHARS, _ADDRESS_BYTES = 42, 20


def raw_address(text: str) -> bytes:
    """The 20 bytes of an address in hex of any case; ValueError says what is wrong."""
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(text) != _ADDRESS_CHARS or len(raw) != _ADDRESS_BYTES:
        raise ValueError(f"{text!r} is not an address: write 0x and 40 hex digits")
    return raw


def address_or_none(text: str) -> bytes | None:
    """The 20 bytes of an address; None where the text is empty, which says that there is none."""
    return raw_address(text) if text else None


def is_http(text: str) -> bool:
    """Whether a text is a URL that HTTP can ask."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def http_url(text: str) -> str:
    """A URL that HTTP can ask; ValueError says what to write."""
    if not is_http(text):
        raise ValueError("is not a URL: write http:// or https:// and a host")
    return text


def websocket_url(text: str) -> str:
    """A URL of a WebSocket; ValueError says what to write."""
    if not text.startswith(("ws://", "wss://")):
        raise ValueError("is not the URL of a WebSocket: write ws:// or wss:// and a host")
    return text


def signer_url(text: str) -> str:
    """The URL of a remote signer, without a password; ValueError says what to write."""
    if "@" in text:
        raise ValueError(
            "holds a password: secrets are never in the config; give the signer an address that needs none"
        )
    return http_url(text)
