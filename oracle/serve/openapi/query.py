"""The schemas of a question of one's own and of its answer."""

from __future__ import annotations

from oracle.serve.openapi.record import REASON, STATUS
from oracle.serve.openapi.schema import Schema, flag, list_of, object_of, ref, text, whole

_SELECTOR = object_of(
    {
        "name": text("of the source in the feed"),
        "venue": text("an exchange, or the kind of a pool"),
        "pool": text("address of the contract that is read"),
        "chain": text("that it is read on"),
        "group": text("what it depends on"),
        "min_depth": text("decimal: base units that move its price by 1 %, at least, at from_s or now"),
    },
    optional=("name", "venue", "pool", "chain", "group", "min_depth"),
)
QUERY = object_of(
    {
        "base": text("the token, or its contract: ethereum:0x..."),
        "quote": text("its unit, likewise"),
        "feed": text("the feed of that pair whose inputs and judge are taken; BASE/QUOTE by default"),
        "sources": list_of(_SELECTOR),
        "method": text("how sources become one price; the feed's by default"),
        "filter": text("of outliers, or none; the feed's by default"),
        "window_s": whole("of a method over time"),
        "dust": text("decimal: trades of fewer base units are left out, of a method of trades"),
        "from_s": whole("Unix seconds; to_s by default"),
        "to_s": whole("Unix seconds; now by default"),
        "step_s": whole("a price each so many seconds; one, at to_s, by default"),
        "live": flag("true: of this moment, the default if no time is asked; false: of the newest stored round"),
    },
    optional=("feed", "sources", "method", "filter", "window_s", "dust", "from_s", "to_s", "step_s", "live"),
)
_USED = object_of(
    {
        "source": text("name"),
        "group": text("what it depends on"),
        "price": text("after conversion and averaging", nullable=True),
        "weight_bps": whole("its group's share of the weight"),
        "age_ms": whole("when it was used"),
    }
)
_REJECTED = object_of(
    {
        "source": text("name"),
        "code": text("why"),
        "text": text("why, as a sentence"),
        "price": text("that it stated", nullable=True),
    }
)
_INPUT = object_of(
    {
        "source": text("name"),
        "kind": text("what it states: market, redemption, reference, supply, backing or open"),
        "age_ms": whole("of its observation; null: it has none", nullable=True),
        "fault": text("why it has none", nullable=True),
    }
)
_LEG = object_of(
    {
        "feed": text("name"),
        "price": text("what the market paid; null: it has none", nullable=True),
        "status": STATUS,
        "age_ms": whole("of its oldest observation", nullable=True),
    }
)
_FOLDED = {
    "market": text("what a trade paid", nullable=True),
    "redemption": text("what the protocol owed", nullable=True),
    "deviation_bps": whole("market from redemption, negative below", nullable=True),
    "spread_bps": whole("of the price", nullable=True),
    "status": STATUS,
    "reasons": list_of(REASON),
    "used": list_of(_USED),
    "rejected": list_of(_REJECTED),
    "inputs": list_of(_INPUT),
    "legs": list_of(_LEG),
}
QUERY_POINT: Schema = object_of(
    {
        "at": whole("Unix seconds: the end of its step"),
        "round": whole("the newest round of the step; null: none is stored, or it is live", nullable=True),
        "price": text("in the feed's mode; null: the round brought none", nullable=True),
        "why": text("why there is no price", nullable=True),
        **_FOLDED,
    },
    optional=tuple(_FOLDED),
)
QUERY_ANSWER = object_of(
    {
        "feed": text("whose inputs and judge were taken"),
        "base": text("the token"),
        "quote": text("its unit"),
        "mode": text("which of the two prices `price` is"),
        "method": text("how sources became one price"),
        "filter": text("of outliers", nullable=True),
        "window_s": whole("of a method over time; null: of any other", nullable=True),
        "sources": list_of(text("name of a market source")),
        "groups": list_of(text("independent group that they can form")),
        "min_groups": whole("groups that a price needed"),
        "from": whole("Unix seconds"),
        "to": whole("Unix seconds"),
        "step_s": whole("between two prices; null: one price", nullable=True),
        "live": flag("it is of the moment `computed_at_ms`, of what the process held then"),
        "computed_at_ms": whole("Unix ms, of a live answer; null: of stored rounds", nullable=True),
        "signed": flag("always false"),
        "operator": text("whose inputs they are; null: of none", nullable=True),
        "as_published": flag("the question is the feed's own, folded from a checkpoint"),
        "judged_since": whole("Unix seconds: the first round of the fold", nullable=True),
        "judged_until": whole("Unix seconds: the last round of the fold", nullable=True),
        "rounds": whole("folded"),
        "limits": list_of(text("what the answer does not claim")),
        "answer": ref("QueryPoint"),
        "points": list_of(ref("QueryPoint")),
    },
    optional=("answer", "points"),
)
