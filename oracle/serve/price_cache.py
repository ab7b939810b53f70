"""Prices as ready-made bytes: encoded once for each record, however many readers ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import orjson

from oracle.model.publication import OnChain, Record
from oracle.model.risk import FeedRisk, LiveRisk
from oracle.model.spec import FeedSpec
from oracle.serve.documents import Abstaining, Document, age_s, is_late, price_document
from oracle.serve.interface import PriceInterface
from oracle.serve.risk_documents import price_risk_document, risk_codes_document
from oracle.serve.silent_halt import as_shown
from oracle.serve.web import Body


@dataclass(frozen=True, slots=True)
class _TargetsState:
    """What the stores hold, which of it is late, and which targets' stores should hold something and do not."""

    onchain: tuple[OnChain, ...]
    late: tuple[bool, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _CachedRisk:
    risk: FeedRisk
    live: LiveRisk
    codes: orjson.Fragment
    whole: orjson.Fragment


@dataclass(frozen=True, slots=True)
class _CachedPrice:
    record: Record
    targets: _TargetsState
    risk: _CachedRisk
    aged: tuple[Abstaining, int] | None
    is_changed: bool
    body: Body


class PriceCache:
    """Encoded prices of a service.

    Args:
        service: where the records are.
        now_ms: the clock: for the age of an abstaining feed's record, and for when what is on chain becomes late.
    """

    def __init__(self, service: PriceInterface, now_ms: Callable[[], int]) -> None:
        self._service, self._now_ms = service, now_ms
        self._cached: dict[tuple[str, bool], _CachedPrice] = {}
        self._risks: dict[str, _CachedRisk] = {}

    def price(self, spec: FeedSpec, *, live: bool, whole: bool) -> Body | None:
        """A feed's price; None before its first record or, live, without an indication.

        Args:
            spec: the feed.
            live: its indication instead of its last final record.
            whole: with its risks in sentences: too much for a list of many feeds, or for every tick.
        """
        feed, service, now_ms = spec.feed, self._service, self._now_ms()
        record = service.indication(feed) if live else service.record(feed)
        if record is None:
            return None
        onchain, abstaining = service.onchain(feed), service.abstaining(feed)
        late = tuple(is_late(o, now_ms) for o in onchain)
        targets = _TargetsState(onchain=onchain, late=late, missing=service.missing_targets(feed))
        risk = self._risk(feed)
        aged = None if abstaining is None else (abstaining, age_s(record.observed_at_ms, now_ms))
        shown = as_shown(spec, record, abstaining, now_ms)
        cached = self._cached.get((feed, whole))
        if (
            cached is not None
            and cached.record is record
            and cached.targets == targets
            and cached.risk is risk
            and cached.aged == aged
            and cached.is_changed == (shown is not record)
        ):
            return cached.body
        body = Body.json(
            price_document(
                spec,
                shown,
                onchain=onchain,
                missing_targets=targets.missing,
                abstaining=abstaining,
                risk_codes=risk.codes,
                risk=risk.whole if whole else None,
                now_ms=now_ms,
            )
        )
        if record.final:
            self._cached[feed, whole] = _CachedPrice(record, targets, risk, aged, shown is not record, body)
        return body

    def _risk(self, feed: str) -> _CachedRisk:
        """What a lender must know of a feed, encoded once a round: indications come with every tick."""
        risk, live = self._service.risk(feed), self._service.live_risk(feed)
        cached = self._risks.get(feed)
        if cached is None or cached.risk is not risk or cached.live is not live:
            codes = orjson.Fragment(orjson.dumps(risk_codes_document(risk, live)))
            whole = orjson.Fragment(orjson.dumps(price_risk_document(risk, live)))
            self._risks[feed] = cached = _CachedRisk(risk, live, codes, whole)
        return cached

    def prices(self, *, live: bool) -> Body:
        """The prices of all feeds, and which feeds have none."""
        prices, missing = [], []
        for spec in self._service.specs().values():
            body = self.price(spec, live=live, whole=False)
            if body is None:
                missing.append(self.missing(spec))
            else:
                prices.append(body.payload)
        health = self._service.health()
        now = {"ready": health.ready, "reasons": health.reasons, "round": health.round, "interval_s": health.interval_s}
        rest = orjson.dumps({"missing": missing, **now})
        return Body(b'{"prices":[%b],%b' % (b",".join(prices), rest[1:]))

    def missing(self, spec: FeedSpec) -> Document:
        """Why a feed has no price to show."""
        abstaining = self._service.abstaining(spec.feed)
        code, text = (abstaining.why.name, abstaining.text) if abstaining else ("NONE", "no round yet")
        return {"feed": spec.feed, "code": code, "text": text}
