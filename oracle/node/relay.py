"""What a node has not and operators have: it names them, or asks one of them and hands its answer on with its name.

What is handed on is that operator's word and is not verified, but for signed reports: those are held against the signer set.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import aiohttp
import orjson
from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware
from yarl import URL

from feeds.secret_refs import hide, host_and_port
from feeds.secret_values import filled
from oracle.model.spec import FeedSpec
from oracle.serve.error_codes import ErrorCode
from oracle.serve.web import QUERY_PATH, Handler, HttpProblem

TOLD_BY = "Lrt-Told-By"
"""Header of an answer that is an operator's word: whose."""
RELAY_ENDS = ("told", "refused", "failed", "busy")
"""What becomes of a question: an answer, an operator's refusal, none, or too many at a time."""
_HOPS = "Lrt-Relayed"
"""Header of a request that a node hands on: how many have."""
_MOST_HOPS = 2
_AT_ONCE, _WAITING = 8, 64
_TIMEOUT_S, _CONNECT_S = 10.0, 3.0
_MOST_BYTES = 4 << 20
_FRESH_S, _KEPT = 1.0, 64
_REFUSED, _BROKEN = 400, 500
_ELSEWHERE = re.compile(r"/v1/prices/[^/]+/[^/]+/(explain|report|pushes)")
_LIVE = re.compile(r"/v1/prices(/[^/]+/[^/]+)?")
CheckReport = Callable[[str, bytes], Awaitable[None]]
"""Given a feed and what an operator says is its signed report: HttpProblem where that counts for nothing."""


@dataclass(frozen=True, slots=True)
class RelayedAnswer:
    """What an operator answered: its name, the status, and one JSON document."""

    told_by: str
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class ElsewhereQuestion:
    """A path of the endpoint with its query, as it was asked. ``report_of``: the feed whose signed report it is for, or "".

    The query of one for a report is each operator's own: a store has another name with each.
    """

    path: str
    query: str
    report_of: str = ""


@dataclass(frozen=True, slots=True)
class _Operator:
    name: str
    url: URL
    hidden: Mapping[str, str]

    def at(self, question: ElsewhereQuestion) -> URL:
        base = str(self.url.with_query(None)).rstrip("/")
        query = self.url.raw_query_string if question.report_of else question.query
        return URL(f"{base}{question.path}{'?' if query else ''}{query}", encoded=True)


def is_elsewhere(path: str, query: str) -> bool:
    """Whether a request is for something that a node has not itself."""
    if "live" in query and _LIVE.fullmatch(path):
        return URL.build(query_string=query).query.get("live") == "1"
    return _ELSEWHERE.fullmatch(path) is not None


class OperatorRelay:
    """Asks operators.

    Args:
        operators: their endpoints in the order in which they are asked; secrets as ${NAME}. None: nobody is asked.
        session: to ask with.
        is_up: whether an operator of this name tells rounds at present: those are asked first.
        check_report: holds a signed report against the signer set.

    Attributes:
        counts: questions by what became of them: one of RELAY_ENDS.
    """

    def __init__(
        self,
        operators: Sequence[str],
        session: aiohttp.ClientSession,
        is_up: Callable[[str], bool],
        check_report: CheckReport,
    ) -> None:
        self._operators = [_operator(o) for o in operators]
        self._session, self._is_up, self._check_report = session, is_up, check_report
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._asked: OrderedDict[ElsewhereQuestion, tuple[float, asyncio.Task[RelayedAnswer]]] = OrderedDict()
        self._waiting = 0
        self.counts: Counter[str] = Counter()

    async def answer(self, question: ElsewhereQuestion, hops: int) -> RelayedAnswer:
        """What an operator says: one question for all who ask the same within a second.

        Raises:
            HttpProblem: nobody answers, or too much is being asked.
        """
        asked = self._asked.get(question)
        if asked is None or (asked[1].done() and time.monotonic() - asked[0] > _FRESH_S):
            if self._waiting >= _WAITING:
                self.counts["busy"] += 1
                text = f"{self._waiting} questions to operators are waiting, which is the limit"
                raise HttpProblem(503, ErrorCode.BUSY, text, "try again, or ask an operator", {hdrs.RETRY_AFTER: "1"})
            asked = time.monotonic(), asyncio.create_task(self._ask(question, hops))
            self._asked[question] = asked
            while len(self._asked) > _KEPT and next(iter(self._asked.values()))[1].done():
                self._asked.popitem(last=False)
        return await asyncio.shield(asked[1])

    async def close(self) -> None:
        """Give up what is under way."""
        tasks = [t for _, t in self._asked.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, question: ElsewhereQuestion, hops: int) -> RelayedAnswer:
        self._waiting += 1
        try:
            async with self._gate, asyncio.timeout(_TIMEOUT_S):
                return await self._first(question, hops)
        except TimeoutError:
            self.counts["failed"] += 1
            text = f"no operator answered within {_TIMEOUT_S:g} s"
            raise HttpProblem(503, ErrorCode.NOT_HERE, text, self.hint) from None
        finally:
            self._waiting -= 1

    async def _first(self, question: ElsewhereQuestion, hops: int) -> RelayedAnswer:
        """The first good answer; where all refuse, the last refusal."""
        refusal: RelayedAnswer | None = None
        whys = []
        for operator in sorted(self._operators, key=lambda o: not self._is_up(o.name)):
            try:
                told = await self._of(operator, question, hops)
                if told.status < _REFUSED and question.report_of:
                    await self._check_report(question.report_of, told.body)
            except (aiohttp.ClientError, OSError, ValueError, HttpProblem) as e:
                whys.append(f"{operator.name}: {hide(str(e)[:120], operator.hidden) or type(e).__name__}")
                continue
            if told.status < _REFUSED:
                self.counts["told"] += 1
                return told
            refusal = told
        if refusal is not None:
            self.counts["refused"] += 1
            return refusal
        self.counts["failed"] += 1
        raise HttpProblem(503, ErrorCode.NOT_HERE, f"no operator answers: {'; '.join(whys)}", self.hint)

    async def _of(self, operator: _Operator, question: ElsewhereQuestion, hops: int) -> RelayedAnswer:
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S, sock_connect=_CONNECT_S)
        headers = {_HOPS: str(hops + 1), hdrs.ACCEPT: "application/json", hdrs.ACCEPT_ENCODING: "identity"}
        async with self._session.get(
            operator.at(question), headers=headers, timeout=timeout, allow_redirects=False
        ) as reply:
            if hdrs.CONTENT_ENCODING in reply.headers:
                raise ValueError("it packs what nobody asked it to pack")
            body = await reply.content.read(_MOST_BYTES + 1)
            while len(body) <= _MOST_BYTES and (more := await reply.content.read(_MOST_BYTES + 1)):
                body += more
            if len(body) > _MOST_BYTES:
                raise ValueError(f"it answers with more than {_MOST_BYTES} bytes")
            if not isinstance(orjson.loads(body), dict) or 300 <= reply.status < _REFUSED or reply.status >= _BROKEN:  # noqa: PLR2004
                raise ValueError(f"it answers with status {reply.status}")
            told_by = reply.headers.get(TOLD_BY, "")
            return RelayedAnswer(f"{operator.name}{', by ' if told_by else ''}{told_by[:200]}", reply.status, body)

    @property
    def hint(self) -> str:
        """Whom to ask instead."""
        return f"ask an operator: {', '.join(o.name for o in self._operators)}"


def _operator(url: str) -> _Operator:
    address = filled(url)
    return _Operator(host_and_port(url, address.text), URL(address.text), address.hidden)


def relaying(relay: OperatorRelay | None, hint: str, target: str, specs: Mapping[str, FeedSpec]) -> Middleware:
    """Answers what a node has not.

    Args:
        relay: asks operators; None: they are named and that is all.
        hint: who they are.
        target: name of the store here.
        specs: feeds that are shown; nothing of others is asked for.
    """

    @web.middleware
    async def relayed(request: web.Request, handler: Handler) -> web.StreamResponse:
        names = request.match_info
        feed = f"{names['base']}/{names['quote']}" if "base" in names else ""
        is_report = request.path.endswith("/report")
        if request.path == QUERY_PATH:
            text = "a question is answered from the inputs of rounds, and a node has none: its operators have"
            raise HttpProblem(404, ErrorCode.NOT_HERE, text, hint)
        if not is_elsewhere(request.path, request.query_string) or (feed and feed not in specs):
            return await handler(request)
        asked = request.query
        if is_report and (specs[feed].is_cross or set(asked) - {"target"} or asked.get("target", target) != target):
            return await handler(request)  # which refuses it, and says why
        text = request.headers.get(_HOPS, "0")
        hops = int(text) if text.isascii() and text.isdigit() and len(text) == 1 else _MOST_HOPS
        if relay is None or hops >= _MOST_HOPS:
            raise HttpProblem(404, ErrorCode.NOT_HERE, "a node does not have this: its operators do", hint)
        url = request.rel_url  # its path alone: what a client writes before it names nobody else to ask
        question = ElsewhereQuestion(url.raw_path, url.raw_query_string, feed if is_report else "")
        told = await relay.answer(question, hops)
        headers = {hdrs.CACHE_CONTROL: "no-store", TOLD_BY: told.told_by}
        return web.Response(body=told.body, status=told.status, content_type="application/json", headers=headers)

    return relayed
