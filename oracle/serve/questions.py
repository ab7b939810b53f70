"""``POST /v1/query``: the one path with a body. It is bounded in bytes, time, number and cost; the answer is never signed or kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import hdrs, web

from oracle.config.resolve import ResolvedConfig
from oracle.query.ask import LiveMoments, ask
from oracle.query.plan import QueryLimits
from oracle.query.question import BAD_QUERY, NOT_KEPT, TOO_COSTLY, QuestionRefused, parsed
from oracle.runtime.logs import without_secrets
from oracle.serve.bounded_reads import busy
from oracle.serve.error_codes import ErrorCode
from oracle.serve.freshness import KEEP_NOT
from oracle.serve.history import HistoryReaders
from oracle.serve.web import Body, HttpProblem

MOST_BYTES = 16_384
BODY_S = 5.0
_AT_ONCE = 4
_CODES = {BAD_QUERY: ErrorCode.BAD_QUERY, TOO_COSTLY: ErrorCode.QUERY_TOO_COSTLY, NOT_KEPT: ErrorCode.NOT_KEPT}

Answer = Callable[[Any], Awaitable[Body]]


class Questions:
    """Questions to one process.

    Args:
        resolved: its config.
        readers: of its database, for questions alone: what they fold keeps no history waiting.
        limits: of what one may cost.
        moments: of this process; None where no live lane runs.

    Attributes:
        resolved: the config that is answered by.
    """

    def __init__(
        self,
        resolved: ResolvedConfig,
        readers: HistoryReaders,
        limits: QueryLimits | None = None,
        moments: LiveMoments | None = None,
    ) -> None:
        self.resolved, self._readers, self._limits = resolved, readers, limits or QueryLimits()
        self._moments = moments
        self._asked = 0

    def change(self, resolved: ResolvedConfig) -> Callable[[], None]:
        """Answer by this config from now on. Returns what takes it back."""
        before, self.resolved = self.resolved, resolved

        def undo() -> None:
            self.resolved = before

        return undo

    async def answer(self, document: Any) -> Body:
        """The answer to a question.

        Raises:
            HttpProblem: why there is none, and what to ask instead.
        """
        if self._asked >= _AT_ONCE:
            raise busy(f"{self._asked} questions are being answered")
        self._asked += 1
        try:
            found = await ask(self.resolved, parsed(document), self._readers.read, self._limits, self._moments)
            return Body.json(without_secrets(found))
        except QuestionRefused as e:
            raise HttpProblem(400, _CODES[e.code], e.message, e.hint) from None
        finally:
            self._asked -= 1


async def post_query(request: web.Request, answer: Answer | None) -> web.Response:
    """Read the question and answer it.

    Raises:
        HttpProblem: it cannot be read, or is refused.
    """
    if answer is None:
        text = "a question is answered from the inputs of rounds, and there are none here"
        raise HttpProblem(404, ErrorCode.NOT_HERE, text, "ask an operator's endpoint")
    if request.content_type != "application/json" or hdrs.CONTENT_ENCODING in request.headers:
        hint = "send JSON as it is, with Content-Type: application/json"
        raise HttpProblem(415, ErrorCode.BODY_REFUSED, "a question is a JSON document", hint)
    try:
        document = orjson.loads(await _body(request))
    except orjson.JSONDecodeError as e:
        raise HttpProblem(400, ErrorCode.BAD_QUERY, f"the question is no JSON: {e}", "send one JSON object") from None
    body = await answer(document)
    return web.Response(
        body=body.payload, headers={hdrs.CONTENT_TYPE: "application/json", hdrs.CACHE_CONTROL: KEEP_NOT}
    )


async def _body(request: web.Request) -> bytes:
    """The whole body, within bytes and time."""
    read = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.content.iter_any():
                read += part
                if len(read) > MOST_BYTES:
                    text = f"a question has at most {MOST_BYTES} bytes"
                    raise HttpProblem(413, ErrorCode.BODY_REFUSED, text, "name fewer sources")
    except TimeoutError:
        text = f"the question did not come within {BODY_S:g} s"
        raise HttpProblem(408, ErrorCode.BODY_REFUSED, text, "send it at once") from None
    return bytes(read)
