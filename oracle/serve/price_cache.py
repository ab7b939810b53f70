"""Prices as ready-made bytes: encoded once for each record, whoever asks and however often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import orjson

from oracle.model.publication import OnChain, Record
from oracle.model.spec import FeedSpec
from oracle.serve.documents import Document, is_late, price_document
from oracle.serve.interface import PriceInterface
from oracle.serve.web import Body

_Chain: TypeAlias = tuple[tuple[OnChain, ...], tuple[bool, ...], tuple[str, ...]]
"""What the stores hold, which of it is late, and which store is to hold something and does not."""


@dataclass(frozen=True, slots=True)
class _Cached:
    record: Record
    chain: _Chain
    body: Body


class PriceCache:
    """Encoded prices of a desk.

    Args:
        desk: where the records are.
        now_ms: the clock: for the age of an abstaining feed's record, and for when what is on chain becomes late.
    """

    def __init__(self, desk: PriceInterface, now_ms: Callable[[], int]) -> None:
        self._desk, self._now_ms = desk, now_ms
        self._held: dict[str, _Cached] = {}

    def one(self, spec: FeedSpec, *, live: bool) -> Body | None:
        """A feed's price; None before its first record or, live, without an indication."""
        feed, desk = spec.feed, self._desk
        record = desk.indication(feed) if live else desk.record(feed)
        if record is None:
            return None
        onchain, abstaining, held, now_ms = (
            desk.onchain(feed),
            desk.abstaining(feed),
            self._held.get(feed),
            self._now_ms(),
        )
        chain = onchain, tuple(is_late(o, now_ms) for o in onchain), desk.absent(feed)
        if held is not None and held.record is record and held.chain == chain and abstaining is None:
            return held.body
        body = Body.json(
            price_document(spec, record, onchain=onchain, absent=chain[2], abstaining=abstaining, now_ms=now_ms)
        )
        if record.final and abstaining is None:
            self._held[feed] = _Cached(record, chain, body)
        return body

    def all(self, *, live: bool) -> Body:
        """The prices of all feeds, and which have none."""
        found, missing = [], []
        for spec in self._desk.specs().values():
            body = self.one(spec, live=live)
            if body is None:
                missing.append(self.missing(spec))
            else:
                found.append(body.payload)
        health = self._desk.health()
        rest = orjson.dumps({"missing": missing, "ready": health.ready, "reasons": health.reasons})
        return Body(b'{"prices":[%b],%b' % (b",".join(found), rest[1:]))

    def missing(self, spec: FeedSpec) -> Document:
        """Why a feed has no price to show."""
        why = self._desk.abstaining(spec.feed)
        code, text = (why.why.name, why.text) if why else ("NONE", "no round yet")
        return {"feed": spec.feed, "code": code, "text": text}
