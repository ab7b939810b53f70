"""The schema of a feed: what it is made of."""

from __future__ import annotations

from feeds.types import Kind
from oracle.model.spec import Mode
from oracle.serve.openapi.feed_spec import BANDS, RULES
from oracle.serve.openapi.record import TEXTS
from oracle.serve.openapi.risk import FEED_RISK
from oracle.serve.openapi.schema import flag, list_of, object_of, or_null, text, whole

_SOURCE = object_of(
    {
        "name": text("name"),
        "pair": text("BASE/QUOTE"),
        "kind": {"type": "string", "enum": [k.value for k in Kind]},
        "group": text("what it depends on"),
        "max_age_s": whole("an older answer does not count"),
        "average_s": whole("a pool's price is averaged over this; 0: not averaged"),
        "convert": text("the feed that turns its quote unit into this feed's", nullable=True),
    }
)
_BUDGET = object_of(
    {
        "push_bps": whole("the legs' push thresholds, joined"),
        "spread_bps": whole("the legs' spreads, joined"),
        "total_bps": whole("both, joined: what the product can be off by"),
        "age_ms": whole("age of the older leg"),
        "stale_s": whole("how old it may become while every leg is pushed in time"),
    }
)
FEED = object_of(
    {
        "feed": text("name"),
        "feed_id": text("bytes32 on chain"),
        "base": text("token"),
        "quote": text("unit of the prices"),
        "path": text("where its price is"),
        "mode": {"type": "string", "enum": [m.value for m in Mode]},
        "method": text("how sources become one price"),
        "outliers": text("filter before the method", nullable=True),
        "window_s": whole("of an average over time"),
        "weight_cap_bps": whole(
            "share of the weight that one group may have where there are three or more, half where there are two; null:"
            " the method has no such cap",
            nullable=True,
        ),
        "volume_cap_percent": whole(
            "share of the traded volume that one group may have; null: none, each trade counts with its own volume",
            nullable=True,
        ),
        "min_groups": whole("independent groups that it needs"),
        "accept_single_group": flag("the operator accepts one group; at best watch"),
        "max_age_s": whole("of the oldest input used"),
        "max_spread_bps": whole("beyond it the feed abstains"),
        "heartbeat_s": whole("longest time between pushes"),
        "push_bps": whole("move that is pushed at once"),
        "halt_after_s": whole("of abstaining"),
        "has_market": flag("there is a market price"),
        "has_redemption": flag("there is a redemption rate"),
        "share_of": text("the share token that a rebasing token is computed from", nullable=True),
        "legs": TEXTS,
        "bands": BANDS,
        "rules": RULES,
        "budget": or_null(_BUDGET),
        "sources": list_of(_SOURCE),
        "risk": FEED_RISK,
    }
)
