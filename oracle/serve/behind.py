"""Answers of a process that is behind: nobody keeps them, they say so, and who has others to ask gets 503 instead.

A balancer cannot see how old an answer is, and would hand on old prices and new ones in turn. So it says with each request that
it wants none that is behind, and asks the next node where it gets 503. A reader who asks one process alone sees its last prices, marked.
"""

from __future__ import annotations

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from oracle.serve.error_codes import ErrorCode
from oracle.serve.freshness import KEEP_NOT, Freshness
from oracle.serve.web import BEHIND_HEADER, Handler, HttpProblem

NOT_BEHIND = "Lrt-Not-Behind"
"""Header of a request, with any value: 503 rather than an answer that is behind."""
_STREAM = "/v1/stream"


def marking(fresh: Freshness) -> Middleware:
    """Marks or refuses what depends on the newest round while that one is late."""

    @web.middleware
    async def marked(request: web.Request, handler: Handler) -> web.StreamResponse:
        behind_s = fresh.behind_s()
        if behind_s is None:
            return await handler(request)
        refuses = NOT_BEHIND in request.headers
        if refuses and request.path == _STREAM:
            raise _refusal(fresh, behind_s)
        try:
            answer = await handler(request)
        except HttpProblem as problem:
            if refuses and problem.code is ErrorCode.UNKNOWN_ROUND:
                raise _refusal(fresh, behind_s) from None
            raise
        if fresh.is_newest(answer.headers.get(hdrs.CACHE_CONTROL, "")):
            if refuses:
                raise _refusal(fresh, behind_s)
            answer.headers[hdrs.CACHE_CONTROL] = KEEP_NOT
            answer.headers[BEHIND_HEADER] = str(behind_s)
        return answer

    return marked


def _refusal(fresh: Freshness, behind_s: int) -> HttpProblem:
    text = f"the newest round here is {behind_s} s old: this process is behind, or nobody seals"
    hint = f"ask again after Retry-After; without {NOT_BEHIND} the last prices are shown as they are"
    headers = {hdrs.RETRY_AFTER: str(fresh.retry_s), BEHIND_HEADER: str(behind_s)}
    return HttpProblem(503, ErrorCode.BEHIND, text, hint, headers)
