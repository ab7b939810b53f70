"""What every answer of the endpoint shares: problems, strict query parameters, entity tags, headers."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from email.utils import formatdate
from typing import Any, TypeAlias

import orjson
import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from feeds.errors import LrtOracleError
from oracle.runtime.log_limit import LogBudget
from oracle.serve.error_codes import ErrorCode
from oracle.serve.freshness import ASK_AGAIN

_log = structlog.get_logger("oracle.serve.server")
_JSON = "application/json"
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Server": "lrt-oracle",
}
_LOG_BUDGET = LogBudget()
ANY_ORIGIN = "*"
KEY_HEADER = "X-API-Key"
QUERY_PATH = "/v1/query"
BEHIND_HEADER = "Lrt-Behind"
"""Header of an answer that depends on the newest round where that one is late: by how many seconds."""
_NOT_FOUND, _NOT_ALLOWED = 404, 405
_SERVER_ERROR = 500
Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HttpProblem(LrtOracleError):
    """A request that gets an error instead of a document: status, a code for machines, a sentence, and what to do."""

    def __init__(
        self, status: int, code: ErrorCode, message: str, hint: str = "", headers: Mapping[str, str] = {}
    ) -> None:
        super().__init__(status, code, message, hint, headers)
        self.status, self.code, self.message, self.hint, self.headers = status, code, message, hint, headers

    def __str__(self) -> str:
        return self.message

    def response(self) -> web.Response:
        """The error as it is served."""
        body = {"error": {"code": self.code, "message": self.message, "hint": self.hint}}
        headers = {hdrs.CACHE_CONTROL: "no-store", **self.headers}
        return web.Response(body=orjson.dumps(body), status=self.status, content_type=_JSON, headers=headers)


class Body:
    """Ready-made bytes with their strong entity tag.

    Args:
        payload: the document.
        content_type: its media type; the charset is UTF-8.
    """

    __slots__ = ("_headers", "payload", "tag")

    def __init__(self, payload: bytes, content_type: str = _JSON) -> None:
        self.payload = payload
        self.tag = f'"{hashlib.blake2b(payload, digest_size=16).hexdigest()}"'
        self._headers = {hdrs.ETAG: self.tag, hdrs.CONTENT_TYPE: f"{content_type}; charset=utf-8", **_HEADERS}

    @classmethod
    def json(cls, document: Any) -> Body:
        """Encode and tag a document."""
        return cls(orjson.dumps(document))

    def headers(self, keep: str) -> dict[str, str]:
        """Its headers, where it may be kept as ``keep`` says (Cache-Control)."""
        return {**self._headers, hdrs.CACHE_CONTROL: keep}

    def response(self, request: web.Request, keep: str = ASK_AGAIN, *, of_s: int | None = None) -> web.Response:
        """The bytes, or 304 where the client has them.

        Args:
            request: what is answered.
            keep: Cache-Control.
            of_s: since when it is like this, Unix seconds; None: not known.
        """
        headers = self.headers(keep)
        if of_s is not None:
            headers[hdrs.LAST_MODIFIED] = formatdate(of_s, usegmt=True)
        known = request.headers.get(hdrs.IF_NONE_MATCH)
        if known is not None and (known == self.tag or _matches(request, self.tag)):
            return web.Response(status=304, headers=headers)
        return web.Response(body=self.payload, headers=headers)


class Query:
    """Parameters of a request; unknown, repeated and malformed ones are refused.

    Raises:
        HttpProblem: 400, with what is allowed.
    """

    def __init__(self, request: web.Request, known: Sequence[str]) -> None:
        self._parameters = request.query
        for name in self._parameters:
            if name not in known:
                allowed = f"known here: {', '.join(known)}" if known else "this path takes no parameters"
                raise HttpProblem(400, ErrorCode.BAD_PARAMETER, f"there is no parameter {name!r}", allowed)
            if len(self._parameters.getall(name)) > 1:
                raise HttpProblem(400, ErrorCode.BAD_PARAMETER, f"{name} is given more than once", "give it once")

    def integer(self, name: str, *, least: int, most: int) -> int | None:
        """A whole number within limits; None if it is not given."""
        text = self._parameters.get(name)
        if text is None:
            return None
        short = text.isascii() and text.isdigit() and len(text) <= len(str(most))
        if not short or not least <= int(text) <= most:
            raise HttpProblem(
                400, ErrorCode.BAD_PARAMETER, f"{name} is {text[:40]!r}", f"give a whole number, {least} to {most}"
            )
        return int(text)

    def text(self, name: str) -> str | None:
        """As it is given; None if it is not."""
        return self._parameters.get(name)

    def choice(self, name: str, allowed: Sequence[str]) -> str:
        """One of the allowed words; by default the first."""
        text = self._parameters.get(name, allowed[0])
        if text not in allowed:
            raise HttpProblem(
                400, ErrorCode.BAD_PARAMETER, f"{name} is {text[:40]!r}", f"give one of: {', '.join(allowed)}"
            )
        return text


def nearest_feeds(name: str, known: Iterable[str]) -> str:
    """A hint with the most similar feeds, ignoring case."""
    lower = {k.lower(): k for k in known}
    close = [lower[m] for m in get_close_matches(name.lower(), lower, n=3, cutoff=0.5)]
    return f"nearest: {', '.join(close)}" if close else "all feeds are listed at /v1/feeds"


@web.middleware
async def error_documents(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a body where none is read, and turn every failure into an error document."""
    if request.can_read_body and not (request.path == QUERY_PATH and request.method == hdrs.METH_POST):
        hint = "put everything into the path and the query"
        return HttpProblem(413, ErrorCode.BODY_REFUSED, "a request has no body here", hint).response()
    try:
        return await handler(request)
    except HttpProblem as problem:
        return problem.response()
    except web.HTTPException as e:
        return _plain(e, request).response()
    except Exception as e:  # noqa: BLE001 - a bug in one request is logged and answered; the process goes on
        more = _LOG_BUDGET.more((type(e), request.match_info.handler))
        if more is not None:
            _log.exception("a request failed: this is a bug of this program, please report it",
                           path=request.path, more_since_the_last_line=more)  # fmt: skip
        return HttpProblem(
            _SERVER_ERROR, ErrorCode.INTERNAL, "the server has a bug", "its log has the details"
        ).response()


def cors_preflight(origins: Sequence[str]) -> Middleware:
    """Answer the CORS preflight of pages from these origins; all others get no cross-origin access."""

    @web.middleware
    async def preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
        is_preflight = request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
        if not is_preflight or not (ANY_ORIGIN in origins or request.headers.get(hdrs.ORIGIN) in origins):
            return await handler(request)
        is_query = request.path == QUERY_PATH
        allow = {
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: hdrs.METH_POST if is_query else "GET, HEAD",
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: f"{hdrs.CONTENT_TYPE if is_query else hdrs.IF_NONE_MATCH}, {KEY_HEADER}",
            hdrs.ACCESS_CONTROL_MAX_AGE: "600",
        }
        return web.Response(status=204, headers=allow)

    return preflight


def cors_headers(origins: Sequence[str], origin: str | None) -> dict[str, str]:
    """Which pages may read an answer to a request from an origin; where it is any, the answer is the same for all."""
    if not origins:
        return {}
    headers: dict[str, str] = {}
    if ANY_ORIGIN in origins:
        headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = ANY_ORIGIN
    else:
        headers[hdrs.VARY] = hdrs.ORIGIN
        if origin is None or origin not in origins:
            return headers
        headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
    headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = f"{hdrs.ETAG}, {hdrs.RETRY_AFTER}, {BEHIND_HEADER}"
    return headers


def add_headers(origins: Sequence[str]) -> Callable[[web.BaseRequest, web.StreamResponse], Awaitable[None]]:
    """Put the security headers, and the allowed origin, on every response."""

    async def on_prepare(request: web.BaseRequest, response: web.StreamResponse) -> None:
        if "Referrer-Policy" not in response.headers:
            response.headers.update(_HEADERS)
        response.headers.update(cors_headers(origins, request.headers.get(hdrs.ORIGIN)))

    return on_prepare


def _plain(e: web.HTTPException, request: web.Request) -> HttpProblem:
    if e.status == _NOT_FOUND:
        return HttpProblem(
            e.status, ErrorCode.UNKNOWN_PATH, f"there is nothing at {request.path}", "/openapi.json lists all paths"
        )
    if e.status == _NOT_ALLOWED:
        is_query = request.path == QUERY_PATH
        allow = {"Allow": hdrs.METH_POST if is_query else "GET, HEAD"}
        hint = "a question is sent by POST" if is_query else f"everything here is GET, but for POST {QUERY_PATH}"
        return HttpProblem(e.status, ErrorCode.METHOD_NOT_ALLOWED, f"{request.method} is not served", hint, allow)
    return HttpProblem(e.status, ErrorCode.REFUSED, e.reason)


def _matches(request: web.Request, tag: str) -> bool:
    return any(t.value == "*" or t.value == tag[1:-1] for t in request.if_none_match or ())
