"""The schema of an explanation: each operator's inputs and results."""

from __future__ import annotations

from oracle.combine.manipulation_cost import DepthFrom
from oracle.serve.openapi.record import PRICE, PUBLISHED, REASON, ROUND, SIGNED, STATUS, TEXTS
from oracle.serve.openapi.schema import flag, list_of, object_of, or_null, ref, text, whole

_REJECTED = object_of(
    {
        "source": text("name"),
        "code": text("stable code"),
        "text": text("a sentence with the numbers"),
        "price": text(PRICE, nullable=True),
    }
)
_USED = object_of(
    {
        "source": text("name"),
        "group": text("what it depends on"),
        "price": text("after conversion and averaging"),
        "weight_bps": whole("share of the whole"),
        "age_ms": whole("at the round's time"),
    }
)
_TRADES = object_of(
    {
        "since_ms": whole("after which the trades behind the price were made"),
        "until_ms": whole("and until when"),
        "complete_ms": whole(
            "from when on no round was missed: later than since_ms after a start or a gap; a lost connection is not seen"
        ),
        "cap_percent": whole("share of the volume that each group was held to; null: none", nullable=True),
        "groups": list_of(
            object_of(
                {
                    "group": text("what its sources depend on"),
                    "count": whole("trades"),
                    "volume": text("base units traded, before any cap"),
                    "first_ms": whole("the venue's time of the first"),
                    "last_ms": whole("and of the last"),
                    "span_ms": whole("trades no further apart may have been merged; 1: none was"),
                }
            )
        ),
    }
)
_AGGREGATE = object_of(
    {
        "price": text(PRICE),
        "point_price": text("of this round alone, where the method averages over time"),
        "spread_bps": PUBLISHED["spread_bps"],
        "disagree_bps": whole("largest distance of a group from the price"),
        "as_of_ms": PUBLISHED["observed_at_ms"],
        "used": list_of(_USED),
        "rejected": list_of(_REJECTED),
        "trades": or_null(_TRADES),
    }
)
_COST = object_of(
    {
        "bps": whole("how far the price is moved"),
        "depeg": flag("it is how far the feed is from depeg"),
        "base": text("base units that have to be traded; a lower bound where nothing is modelled"),
        "base_stated": text("the same without modelled depths, which then count as free: what a gate counts"),
        "groups": list_of(text("a group that has to be moved")),
        "depths": list_of(
            object_of(
                {
                    "group": text("the group"),
                    "from": {
                        "type": "string",
                        "enum": [d.value for d in DepthFrom],
                        "description": "where its depth is from",
                    },
                }
            )
        ),
        "unknown": list_of(text("one of them of whose depth nothing is known: it counts as free")),
        "modelled": list_of(text("one of them whose depth is only modelled from its volume")),
    }
)
_OUTCOME = object_of(
    {
        "source": text("name"),
        "pair": text("BASE/QUOTE"),
        "kind": text("market, redemption or reference"),
        "group": text("what it depends on"),
        "price": text(PRICE),
        "observed_at_ms": whole("when it was seen"),
        "bid": text("what selling pays", nullable=True),
        "ask": text("what buying costs", nullable=True),
        "depth": text("base units that move the price by 1 %; null: unknown", nullable=True),
        "depth_modelled": flag("the depth is only modelled from the day's volume"),
        "trades": whole("trades that came since the round before, where the method needs them"),
        "base_share_bps": whole("share of a stable pool's value in the token", nullable=True),
        "chain_id": text("where it was read", nullable=True),
        "block": text("the pinned block", nullable=True),
        "failed_at_ms": whole("when the source failed"),
        "code": text("why it failed"),
        "text": text("the same with numbers"),
    },
    (
        "kind",
        "group",
        "price",
        "observed_at_ms",
        "bid",
        "ask",
        "depth",
        "depth_modelled",
        "trades",
        "base_share_bps",
        "chain_id",
        "block",
        "failed_at_ms",
        "code",
        "text",
    ),
)
OPERATOR = object_of(
    {
        "operator": text("name"),
        "round": PUBLISHED["round"],
        "result": {"type": "string", "enum": ["round", "abstained"]},
        "rules_version": whole("rules that it was computed by"),
        "spec_hash": text("hash of the feed's spec"),
        "state_before": text("hash of what was remembered before"),
        "state_after": text("and after"),
        "outcomes": list_of(_OUTCOME),
        "legs": list_of(object_of({"feed": text("name"), **SIGNED})),
        "market": or_null(_AGGREGATE),
        "redemption": or_null(_AGGREGATE),
        "deviation_bps": PUBLISHED["deviation_bps"],
        "status": STATUS,
        "reasons": list_of(REASON),
        "report": ref("Report"),
        "cost": list_of(_COST),
        "cost_of": text(
            "the feed that it is computed from, whose cost is its own; null: it has its own", nullable=True
        ),
        "code": text("why it abstained"),
        "text": text("the same with numbers"),
        "rejected": list_of(_REJECTED),
        "kept": or_null(ref("Report")),
    },
    (
        "market",
        "redemption",
        "deviation_bps",
        "status",
        "reasons",
        "report",
        "cost",
        "cost_of",
        "code",
        "text",
        "rejected",
        "kept",
    ),
)
EXPLANATION = object_of(
    {
        "feed": text("name"),
        "record": or_null(ROUND),
        "operators": list_of(OPERATOR),
        "values": list_of(object_of({"operator": text("name"), **SIGNED})),
        "legs": TEXTS,
    }
)
