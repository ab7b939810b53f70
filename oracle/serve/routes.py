"""One handler for each path: read the request, ask the service, answer with a document."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import orjson
from aiohttp import hdrs, web

from oracle.combine.error_budget import ErrorBudget, LegError, error_budget
from oracle.model.spec import FeedSpec
from oracle.runtime.logs import without_secrets
from oracle.serve.answers import (
    MAX_ROUNDS,
    explain_answer,
    history_answer,
    sealed_answer,
    signers_of,
    twap_answer,
)
from oracle.serve.documents import feed_document, feed_path, transition_document
from oracle.serve.error_codes import ErrorCode
from oracle.serve.events import EventHub, frame
from oracle.serve.evidence import batch_document
from oracle.serve.freshness import FILES, FOR_GOOD, KEEP_NOT, Freshness
from oracle.serve.interface import Health, NoReport, PriceInterface, Update
from oracle.serve.openapi.document import DOCUMENT
from oracle.serve.operator_documents import operators_document
from oracle.serve.past_answers import MOST_PAST, TREND_SPANS_S, Trends, changes_answer, pushes_answer
from oracle.serve.price_cache import PriceCache
from oracle.serve.questions import Answer, post_query
from oracle.serve.readiness import health_document
from oracle.serve.round_stream import RoundStream
from oracle.serve.security_documents import security_document
from oracle.serve.stake_documents import stake_parts
from oracle.serve.web import QUERY_PATH, Body, HttpProblem, Query, nearest_feeds

MAX_WINDOW_S = 7 * 86_400
_SCRIPTS = (
    "alarm.js", "app.js", "asked.js", "chart.js", "detail.js", "dom.js", "happened.js", "inputs.js", "keys.js", "list.js",
    "node.js", "operators.js", "risks.js", "stake.js", "targets.js", "theme.js", "uplot.js", "words.js",
)  # fmt: skip
_ICONS = ("icon.svg", "icon-watch.svg", "icon-depeg.svg", "icon-lost.svg")
_PAGE = {
    "style.css": "text/css",
    **dict.fromkeys(_SCRIPTS, "text/javascript"),
    "detail.css": "text/css",
    "uplot.css": "text/css",
    "uplot.LICENSE.txt": "text/plain",
    **dict.fromkeys(_ICONS, "image/svg+xml"),
}
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_FAR_MS = 1 << 45
_PAST = 50
_ROUND_DIGITS = 10


class Routes:
    """One method a path.

    Args:
        service: what is shown.
        hub: the event streams.
        sealed: the stream of sealed rounds.
        now_ms: the clock, Unix ms.
        metrics: the exposition.
        cache: prices as bytes.
        fresh: how long answers may be kept.
        answer: to questions; None: there are no inputs here.
    """

    def __init__(
        self,
        service: PriceInterface,
        hub: EventHub,
        sealed: RoundStream,
        now_ms: Callable[[], int],
        *,
        metrics: Callable[[], bytes],
        cache: PriceCache,
        fresh: Freshness,
        answer: Answer | None = None,
    ) -> None:
        self._sealed = sealed
        self._service, self._hub, self._now_ms, self._metrics = service, hub, now_ms, metrics
        self._cache, self._fresh, self._answer = cache, fresh, answer
        self._trends = Trends(service, now_ms)
        folder = Path(__file__).parent / "page"
        self._page = {name: Body((folder / name).read_bytes(), kind) for name, kind in _PAGE.items()}
        self._index = Body((folder / "index.html").read_bytes(), "text/html")
        self._openapi = Body.json(DOCUMENT)
        service.subscribe(self._on_update)

    def table(self) -> list[web.RouteDef]:
        """All paths."""
        feed = "/v1/prices/{base}/{quote}"
        return [
            web.get("/v1/feeds", self._get_feeds),
            web.get("/v1/prices", self._get_prices),
            web.get(feed, self._get_price),
            web.get(f"{feed}/history", self._get_history),
            web.get(f"{feed}/changes", self._get_changes),
            web.get(f"{feed}/pushes", self._get_pushes),
            web.get(f"{feed}/twap", self._get_twap),
            web.get(f"{feed}/explain", self._get_explain),
            web.get(f"{feed}/report", self._get_report),
            web.get(f"{feed}/security", self._get_security),
            web.post(QUERY_PATH, self._post_query),
            web.get("/v1/trends", self._get_trends),
            web.get("/v1/operators", self._get_operators),
            web.get("/v1/rounds/{round}/sealed", self._get_sealed),
            web.get("/v1/rounds/stream", self._sealed.serve, allow_head=False),
            web.get("/v1/stream", self._get_stream, allow_head=False),
            web.get("/healthz", self._get_healthz),
            web.get("/readyz", self._get_readyz),
            web.get("/metrics", self._get_metrics),
            web.get("/openapi.json", self._get_openapi),
            web.get("/", self._get_index),
            web.get("/page/{name}", self._get_page),
        ]

    async def _get_feeds(self, request: web.Request) -> web.Response:
        name = Query(request, ("feed",)).text("feed")
        specs = self._service.specs().values() if name is None else (self._spec_of(name),)
        feeds = [feed_document(s, self._service.risk(s.feed), self._budget(s)) for s in specs]
        return Body.json({"feeds": feeds}).response(request, self._fresh.newest())

    def _budget(self, spec: FeedSpec) -> ErrorBudget | None:
        """Error budget of a cross now; None for any other feed, and while a leg has no price."""
        specs = self._service.specs()
        legs = [(specs[leg], self._service.record(leg)) for leg in spec.legs]
        errors = [
            LegError(
                feed=leg.feed,
                push_bps=leg.push_bps,
                heartbeat_s=leg.heartbeat_s,
                spread_bps=record.report.spread_bps,
                age_ms=max(0, self._now_ms() - record.observed_at_ms),
            )
            for leg, record in legs
            if record is not None
        ]
        return error_budget(errors) if errors and len(errors) == len(legs) else None

    async def _get_prices(self, request: web.Request) -> web.Response:
        live = _live(request)
        return self._cache.prices(live=live).response(request, self._fresh.of_prices(live=live))

    async def _get_price(self, request: web.Request) -> web.Response:
        spec, live = self._spec(request), _live(request)
        body = self._cache.price(spec, live=live, whole=True)
        if body is None:
            missing = self._cache.missing(spec)
            code = ErrorCode.NO_INDICATION if live else ErrorCode.NO_RECORD
            raise HttpProblem(
                503, code, f"{spec.feed} has no price yet: {missing['text']}", "an operator's .../explain says more"
            )
        return body.response(request, self._fresh.of_prices(live=live))

    async def _get_history(self, request: web.Request) -> web.Response:
        spec, query = self._spec(request), Query(request, ("since_ms", "until_ms", "limit"))
        since_ms = query.integer("since_ms", least=0, most=_FAR_MS) or 0
        asked_ms = query.integer("until_ms", least=1, most=_FAR_MS)
        until_ms = asked_ms or self._now_ms() + 1
        limit = query.integer("limit", least=1, most=MAX_ROUNDS) or 1_000
        if since_ms >= until_ms:
            raise HttpProblem(
                400, ErrorCode.BAD_PARAMETER, f"since_ms {since_ms} is not before until_ms {until_ms}", "swap them"
            )
        read = partial(history_answer, feed=spec.feed, since_ms=since_ms, until_ms=until_ms, limit=limit)
        return (await self._service.read_stored(read)).response(request, self._fresh.until(asked_ms))

    async def _get_changes(self, request: web.Request) -> web.Response:
        spec, limit = self._spec(request), _most(request)
        read = partial(changes_answer, feed=spec.feed, limit=limit)
        return (await self._service.read_stored(read)).response(request, self._fresh.newest())

    async def _get_pushes(self, request: web.Request) -> web.Response:
        spec, limit, targets = self._spec(request), _most(request), self._service.targets()
        read = partial(pushes_answer, feed=spec.feed, mode=spec.mode, targets=targets, limit=limit)
        return (await self._service.read_stored(read)).response(request, self._fresh.newest())

    async def _post_query(self, request: web.Request) -> web.Response:
        Query(request, ())
        return await post_query(request, self._answer)

    async def _get_trends(self, request: web.Request) -> web.Response:
        span_s = int(Query(request, ("span_s",)).choice("span_s", TREND_SPANS_S))
        return (await self._trends.body(span_s)).response(request, self._fresh.newest())

    async def _get_twap(self, request: web.Request) -> web.Response:
        spec, query = self._spec(request), Query(request, ("window_s", "of", "end_ms"))
        window_s = query.integer("window_s", least=1, most=MAX_WINDOW_S) or 1_800
        of = query.choice("of", ("price", "market", "redemption"))
        now_ms = self._now_ms()
        until_ms = min(query.integer("end_ms", least=1, most=_FAR_MS) or now_ms, now_ms)
        read = partial(twap_answer, spec=spec, of=of, window_s=window_s, until_ms=until_ms)
        return (await self._service.read_stored(read)).response(request, self._fresh.until(until_ms))

    async def _get_explain(self, request: web.Request) -> web.Response:
        spec, query = self._spec(request), Query(request, ("round",))
        round_s = query.integer("round", least=1, most=(1 << 32) - 1)
        newest_s = self._service.newest_round_s(spec.feed)
        read = partial(explain_answer, feed=spec.feed, round_s=round_s, newest_s=newest_s)
        body, keep = await self._service.read_stored(read), self._fresh.of_round(round_s)
        return body.response(request, keep, of_s=round_s if keep == FOR_GOOD else None)

    async def _get_report(self, request: web.Request) -> web.Response:
        spec, query, names = self._spec(request), Query(request, ("target",)), self._service.targets()
        target = query.choice("target", names) if names else None
        if spec.is_cross:
            legs = ", ".join(feed_path(leg) + "/report" for leg in spec.legs)
            raise HttpProblem(
                404,
                ErrorCode.NO_SLOT,
                f"{spec.feed} is computed on chain from its legs and not signed itself",
                f"ask for the reports of its legs: {legs}",
            )
        batch = await self._service.report(spec.feed, target)
        if isinstance(batch, NoReport):
            raise HttpProblem(503, batch.code, batch.text, "see /readyz")
        record = self._service.record(spec.feed)
        seal = record.seal if record is not None and record.report.round_time_s == batch.round_time_s else None
        return Body.json(batch_document(spec.feed, batch, seal)).response(request, self._fresh.newest())

    async def _get_security(self, request: web.Request) -> web.Response:
        spec, service = self._spec(request), self._service
        Query(request, ())
        record = service.record(spec.feed)
        seal = record.seal if record is not None else None
        signers = None
        if record is not None and seal is not None:
            read = partial(signers_of, round_s=record.report.round_time_s, target=seal.target)
            signers = await service.read_stored(read)
        document = security_document(spec.feed, record, signers, service.stake(), service.operators(), self._now_ms())
        return Body.json(document).response(request, self._fresh.newest())

    async def _get_operators(self, request: web.Request) -> web.Response:
        Query(request, ())
        operators = self._service.operators()
        stake = stake_parts(self._service.stake(), operators, self._now_ms())
        return Body.json(operators_document(operators, stake)).response(request, self._fresh.newest())

    async def _get_sealed(self, request: web.Request) -> web.Response:
        query, names = Query(request, ("target",)), self._service.targets()
        target = query.choice("target", names) if names else None
        text = request.match_info["round"]
        is_number = text.isascii() and text.isdigit() and 0 < len(text) <= _ROUND_DIGITS
        if not is_number and text != "newest":
            raise HttpProblem(
                400, ErrorCode.BAD_PARAMETER, f"round is {text[:40]!r}", "give a round_time in Unix seconds, or newest"
            )
        round_s = int(text) if is_number else None
        read = partial(sealed_answer, round_s=round_s, target=target)
        body, keep = await self._service.read_stored(read), self._fresh.of_round(round_s)
        return body.response(request, keep, of_s=round_s if keep == FOR_GOOD else None)

    async def _get_stream(self, request: web.Request) -> web.StreamResponse:
        Query(request, ())
        return await self._hub.serve(request, frame("final", self._cache.prices(live=False).payload))

    async def _get_healthz(self, request: web.Request) -> web.Response:
        return self._health(request, lambda h: h.live)

    async def _get_readyz(self, request: web.Request) -> web.Response:
        return self._health(request, lambda h: h.live and h.ready)

    async def _get_metrics(self, _: web.Request) -> web.Response:
        headers = {hdrs.CACHE_CONTROL: KEEP_NOT, hdrs.CONTENT_TYPE: _METRICS_TYPE}
        return web.Response(body=self._metrics(), headers=headers)

    async def _get_openapi(self, request: web.Request) -> web.Response:
        return self._openapi.response(request, FILES)

    async def _get_index(self, request: web.Request) -> web.Response:
        return self._index.response(request, FILES)

    async def _get_page(self, request: web.Request) -> web.Response:
        body = self._page.get(request.match_info["name"])
        if body is None:
            raise web.HTTPNotFound
        return body.response(request, FILES)

    def _spec(self, request: web.Request) -> FeedSpec:
        return self._spec_of(f"{request.match_info['base']}/{request.match_info['quote']}")

    def _spec_of(self, feed: str) -> FeedSpec:
        spec = self._service.specs().get(feed)
        if spec is None:
            raise HttpProblem(
                404,
                ErrorCode.UNKNOWN_FEED,
                f"there is no feed {feed[:80]!r}",
                nearest_feeds(feed[:80], self._service.specs()),
            )
        return spec

    def _health(self, request: web.Request, is_good: Callable[[Health], bool]) -> web.Response:
        Query(request, ())
        health = self._service.health()
        headers = {hdrs.CACHE_CONTROL: KEEP_NOT}
        status = 200 if is_good(health) else 503
        payload = orjson.dumps(without_secrets(health_document(health, self._now_ms())))
        return web.Response(body=payload, status=status, content_type="application/json", headers=headers)

    def _on_update(self, update: Update) -> None:
        if update.round_time_s is not None:
            self._fresh.learn(update.round_time_s)
        if not len(self._hub):
            return
        specs = self._service.specs()
        if update.indications:
            bodies = [self._cache.price(specs[r.feed], live=True, whole=False) for r in update.indications]
            payload = b'{"prices":[%b]}' % b",".join(b.payload for b in bodies if b is not None)
            self._hub.publish(frame("live", payload))
        if update.round_time_s is not None:
            self._hub.publish(frame("final", self._cache.prices(live=False).payload))
        if update.transitions:
            changes = orjson.dumps({"changes": [transition_document(t) for t in update.transitions]})
            self._hub.publish(frame("status", changes))


def _live(request: web.Request) -> bool:
    return Query(request, ("live",)).choice("live", ("0", "1")) == "1"


def _most(request: web.Request) -> int:
    return Query(request, ("limit",)).integer("limit", least=1, most=MOST_PAST) or _PAST
