"""The one HTTP client: bounded in time, size and rate; every failure is a FeedError.

The session is shared; the caller makes and closes it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import MappingProxyType

import aiohttp
import structlog
from aiohttp.http_exceptions import ContentEncodingError, HttpProcessingError
from yarl import URL

from feeds.decode.values import printable
from feeds.errors import Malformed, RateLimited, Refused, TimedOut, TooLarge, Unreachable
from feeds.literal_secrets import literal_secrets
from feeds.secret_refs import hide
from feeds.secret_values import SecretMissing, filled
from feeds.streams.venue import VenueLimits
from feeds.types import Request
from feeds.units import MS

_log = structlog.get_logger(__name__)
_OK = 200
_SLOW_DOWN = (429, 418)
_PAUSE_S = 30.0
"""How long a venue is left alone that says "slow down" without saying for how long."""
_MAX_PAUSE_S = 3_600.0
"""No answer of a venue silences it for longer."""
_REFUSAL_BYTES = 2_048
_CHUNK = 16_384
_NO_LIMITS: Mapping[str, VenueLimits] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A complete answer. ``date_ms``: the server's own clock (whole seconds) from its Date header, if it sent one."""

    body: bytes
    received_at_ms: int
    date_ms: int | None


@dataclass(slots=True)
class _Gate:
    """What one venue lets through: a token bucket of one second's worth, and a time until which it is closed."""

    per_s: int
    due_s: float = 0.0
    closed_until_s: float = 0.0

    def wait_s(self, now_s: float) -> float:
        """Seconds until the next request may leave."""
        return max(0.0, self.due_s - 1.0 + 1.0 / self.per_s - now_s)

    def take(self, now_s: float) -> None:
        self.due_s = max(self.due_s, now_s) + 1.0 / self.per_s


class HttpClient:
    """Sends the requests that adapters build.

    Args:
        session: shared by all; its cookies, proxies and TLS settings are the caller's business.
        now_ms: Unix ms, for ``received_at_ms``.
        limits: by venue; a venue that is not in it gets the defaults of VenueLimits.
        monotonic: seconds, for rates and pauses.
        sleep: waits some seconds.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        now_ms: Callable[[], int],
        *,
        limits: Mapping[str, VenueLimits] = _NO_LIMITS,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._session = session
        self._now_ms = now_ms
        self._limits = limits
        self._monotonic = monotonic
        self._sleep = sleep
        self._gates: dict[str, _Gate] = {}

    def set_limits(self, limits: Mapping[str, VenueLimits]) -> None:
        """Go by these from now on; a pause that a venue asked for goes on where its limits stay the same."""
        before, self._limits = self._limits, limits
        self._gates = {v: g for v, g in self._gates.items() if before.get(v) == limits.get(v)}

    async def fetch(
        self, venue: str, request: Request, *, timeout_s: float, max_bytes: int, in_turn: bool = False
    ) -> Fetched:
        """Send one request and read the whole answer. Redirects are not followed.

        Args:
            venue: whose rate limit this counts against.
            request: GET without a body, POST with one.
            timeout_s: for everything, from the wait for a token to the last byte.
            max_bytes: of the body after decompression; no more is ever unpacked.
            in_turn: its place within the limit was taken by :meth:`turn`.

        Raises:
            TimedOut: not complete in time.
            Unreachable: no connection, or lost half way.
            RateLimited: the venue said to slow down, or its own limit leaves no room before the deadline.
            Refused: any other status than 200.
            TooLarge: more than `max_bytes`.
            Malformed: the body cannot be unpacked.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._admit(venue, timeout_s, in_turn=in_turn)
                return await self._exchange(venue, request, max_bytes)
        except TimeoutError:
            raise TimedOut("no complete answer", venue=venue, timeout_ms=int(timeout_s * MS)) from None
        except (aiohttp.ClientError, HttpProcessingError, OSError) as e:
            if isinstance(e, ContentEncodingError) or isinstance(e.__cause__, ContentEncodingError):
                raise Malformed("body cannot be unpacked", venue=venue) from None
            raise Unreachable("connection failed or lost", venue=venue, error=type(e).__name__) from None

    async def turn(self, venue: str) -> None:
        """Wait until the venue's limit leaves room for a request, and take that place; at once where it asked for a pause."""
        gate, now_s = self._gate(venue), self._monotonic()
        if now_s < gate.closed_until_s:
            return
        wait_s = gate.wait_s(now_s)
        gate.take(now_s)
        if wait_s > 0:
            await self._sleep(wait_s)

    def _gate(self, venue: str) -> _Gate:
        gate = self._gates.get(venue)
        if gate is None:
            per_s = self._limits.get(venue, VenueLimits()).requests_per_s
            gate = self._gates[venue] = _Gate(per_s=max(1, per_s))
        return gate

    async def _admit(self, venue: str, timeout_s: float, *, in_turn: bool) -> None:
        gate = self._gate(venue)
        self._check_open(venue, gate)
        if in_turn:
            return
        wait_s = gate.wait_s(self._monotonic())
        if wait_s > timeout_s:
            raise RateLimited("our own limit for this venue", venue=venue, wait_ms=int(wait_s * MS))
        gate.take(self._monotonic())
        if wait_s > 0:
            await self._sleep(wait_s)
            self._check_open(venue, gate)

    def _check_open(self, venue: str, gate: _Gate) -> None:
        left_s = gate.closed_until_s - self._monotonic()
        if left_s > 0:
            raise RateLimited("the venue asked for a pause", venue=venue, left_ms=int(left_s * MS))

    async def _exchange(self, venue: str, request: Request, max_bytes: int) -> Fetched:
        address, sent, secrets, literal = _filled(venue, request)
        headers = {"Accept-Encoding": "gzip", "Accept": "application/json", **sent}
        if request.body is not None:
            headers.setdefault("Content-Type", "application/json")
        method = "GET" if request.body is None else "POST"
        url = _address(venue, address)
        async with self._session.request(
            method, url, data=request.body, headers=headers, allow_redirects=False
        ) as response:
            if response.status != _OK:
                await self._refuse(venue, response, {**literal, **secrets})
            body = _hidden(await _read(response, max_bytes), secrets)
            return Fetched(body=body, received_at_ms=self._now_ms(), date_ms=_date_ms(response.headers.get("Date")))

    async def _refuse(self, venue: str, response: aiohttp.ClientResponse, secrets: Mapping[str, str]) -> None:
        """Raise what a status other than 200 means."""
        status, retry_after = response.status, response.headers.get("Retry-After")
        if status in _SLOW_DOWN or (retry_after is not None and status >= 400):  # noqa: PLR2004 - HTTP errors
            pause_s = self._pause_s(retry_after)
            self._gate(venue).closed_until_s = self._monotonic() + pause_s
            _log.warning("venue asks for a pause; no request goes to it until then", venue=venue, pause_s=int(pause_s))
            raise RateLimited("the venue asked for a pause", venue=venue, status=status, pause_ms=int(pause_s * MS))
        body = _hidden(await response.content.read(_REFUSAL_BYTES), secrets)  # an adapter may quote from it too
        refused = Refused(printable(body.decode("utf-8", "replace")), venue=venue, status=status)
        refused.body = body
        raise refused

    def _pause_s(self, retry_after: str | None) -> float:
        if retry_after is None:
            return _PAUSE_S
        if retry_after.isascii() and retry_after.isdigit():
            return min(_MAX_PAUSE_S, max(1.0, float(retry_after[:9])))
        at_ms = _date_ms(retry_after)
        pause_s = _PAUSE_S if at_ms is None else (at_ms - self._now_ms()) / MS
        return min(_MAX_PAUSE_S, max(1.0, pause_s))


def _filled(venue: str, request: Request) -> tuple[str, Mapping[str, str], Mapping[str, str], Mapping[str, str]]:
    """Address and headers with their secrets in place, the secrets by name, and those that the address has as they are.

    A part of a path that only looks like a key may be what the answer is about: it is hidden in refusals alone.
    """
    if not request.has_secrets:
        return request.url, request.headers, {}, literal_secrets(request.url)
    try:
        address = filled(request.url)
        headers = {name: filled(value) for name, value in request.headers.items()}
    except SecretMissing as e:
        raise Unreachable(str(e), venue=venue) from None
    secrets = {k: v for text in (address, *headers.values()) for k, v in text.secrets.items()}
    return address.text, {name: value.text for name, value in headers.items()}, secrets, address.literal


def _hidden(body: bytes, secrets: Mapping[str, str]) -> bytes:
    """The body without the secrets that it repeats: an error that quotes from it must not. A number of it is then none."""
    return (
        hide(body.decode("utf-8", "surrogateescape"), secrets).encode("utf-8", "surrogateescape") if secrets else body
    )


def _address(venue: str, text: str) -> URL:
    try:
        url = URL(text, encoded=True)
        url.explicit_port  # noqa: B018 - it is only looked at here
    except ValueError as e:
        raise Unreachable("not an address", venue=venue, error=str(e)) from None
    return url


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Read the body piece by piece, unpacked piece by piece, so that a small bomb stays small."""
    pieces: list[bytes] = []
    size = 0
    while piece := await response.content.read(_CHUNK):
        size += len(piece)
        if size > max_bytes:
            response.close()
            raise TooLarge("body", max_bytes=max_bytes)
        pieces.append(piece)
    return b"".join(pieces)


def _date_ms(header: str | None) -> int | None:
    """Unix ms of an HTTP date; None for none, and for what is not a date."""
    if header is None:
        return None
    try:
        return int(parsedate_to_datetime(header).timestamp()) * MS
    except (ValueError, OverflowError, OSError):
        return None
