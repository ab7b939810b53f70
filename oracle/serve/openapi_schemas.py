"""The documents of the endpoint, field by field. A test holds them against the real answers and docs/api.md."""

from __future__ import annotations

from typing import Any, TypeAlias

from feeds.types import Kind
from oracle.model.spec import Mode
from oracle.serve.openapi_feed_spec import BANDS, RULES

Schema: TypeAlias = dict[str, Any]


def _field(kind: str, says: str, *, nullable: bool = False) -> Schema:
    return {"type": [kind, "null"] if nullable else kind, "description": says}


def text(says: str, *, nullable: bool = False) -> Schema:
    """A string."""
    return _field("string", says, nullable=nullable)


def whole(says: str, *, nullable: bool = False) -> Schema:
    """A whole number."""
    return _field("integer", says, nullable=nullable)


def flag(says: str) -> Schema:
    """True or false."""
    return _field("boolean", says)


def object_of(fields: dict[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    """An object with exactly these fields."""
    required = [name for name in fields if name not in optional]
    return {"type": "object", "properties": fields, "required": required, "additionalProperties": False}


def list_of(of: Schema) -> Schema:
    """An array."""
    return {"type": "array", "items": of}


def _or_null(of: Schema) -> Schema:
    return {"oneOf": [of, {"type": "null"}]}


def ref(name: str) -> Schema:
    """One of SCHEMAS."""
    return {"$ref": f"#/components/schemas/{name}"}


_PRICE = "quote units for one base unit, exact decimal text"
_TEXTS = list_of({"type": "string"})
_STATUS = {"type": "string", "enum": ["ok", "watch", "depeg", "halt"]}
_PUBLISHED = {
    "round": whole("round_time, Unix seconds: the round's number"),
    "price": text(f"the price in the feed's mode: {_PRICE}", nullable=True),
    "market": text(f"what a trade pays: {_PRICE}", nullable=True),
    "redemption": text(f"what the protocol owes: {_PRICE}", nullable=True),
    "deviation_bps": whole("market from redemption, negative below, rounded away from zero", nullable=True),
    "spread_bps": whole("confidence: the market lies within this of the price"),
    "status": _STATUS,
    "status_only": flag("the prices are those last published: nobody looked at them again"),
    "market_age_s": whole("round_time minus the oldest market input, rounded up"),
    "redemption_age_h": whole("since the protocol last changed its rate, rounded up"),
    "observed_at_ms": whole("the oldest input used"),
    "computed_at_ms": whole("when the round was computed"),
    "signed_at_ms": whole("when operators signed; null where none has a key", nullable=True),
}
_SIGNED = {k: _PUBLISHED[k] for k in ("round", "market", "redemption", "spread_bps", "status")} | {
    "why": text("reason class of the status"),
    "market_age_s": _PUBLISHED["market_age_s"],
    "redemption_age_h": _PUBLISHED["redemption_age_h"],
    "status_only": _PUBLISHED["status_only"],
}
_REASON = object_of({"code": text("stable code"), "text": text("a sentence with the numbers")})
_REJECTED = object_of(
    {
        "source": text("name"),
        "code": text("stable code"),
        "text": text("a sentence with the numbers"),
        "price": text(_PRICE, nullable=True),
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
_AGGREGATE = object_of(
    {
        "price": text(_PRICE),
        "point_price": text("of this round alone, where the method averages over time"),
        "spread_bps": _PUBLISHED["spread_bps"],
        "disagree_bps": whole("largest distance of a group from the price"),
        "as_of_ms": _PUBLISHED["observed_at_ms"],
        "used": list_of(_USED),
        "rejected": list_of(_REJECTED),
    }
)
_SOURCE = object_of(
    {
        "name": text("name"),
        "pair": text("BASE/QUOTE"),
        "kind": {"type": "string", "enum": [k.value for k in Kind]},
        "group": text("what it depends on"),
        "max_age_s": whole("older words do not count"),
        "average_s": whole("a pool's price is averaged over this; 0: not"),
        "convert": text("the feed that turns its quote unit into this feed's", nullable=True),
    }
)
_ONCHAIN = object_of(
    {
        "target": text("name of the target"),
        "round": whole("round_time of what its store holds"),
        "round_id": text("roundId of the feed's view"),
        "price": text(_PRICE, nullable=True),
        "age_s": whole("since its round, when this answer was made, rounded up"),
        "late_at_ms": whole(
            "from then on the store should hold a newer round: heartbeat, and the time that a push has"
        ),
        "late": flag("that time has passed"),
        "landed_at_ms": whole("when it was seen landed; null where somebody else pushed it", nullable=True),
        "tx_hash": text("transaction; null where somebody else pushed it", nullable=True),
        "why": text("why it was pushed; empty if that is not known here"),
    }
)
_ABSTAINING = object_of(
    {
        "code": text("reason class"),
        "text": text("a sentence with the numbers"),
        "since_ms": whole("first round without a price; where no round is made, since when there is none"),
        "age_s": whole("age of the last record's oldest input, now, rounded up"),
    }
)
_BUDGET = object_of(
    {
        "push_bps": whole("the legs' push thresholds, joined"),
        "spread_bps": whole("the legs' spreads, joined"),
        "total_bps": whole("both, joined: what the product can be off by"),
        "age_ms": whole("age of the older leg"),
        "stale_s": whole("how old it may grow while every leg keeps its promise"),
    }
)
_COST = object_of(
    {
        "bps": whole("how far the price is moved"),
        "depeg": flag("it is how far the feed is from depeg"),
        "base": text("base units that have to be traded at least"),
        "groups": list_of(text("a group that has to be moved")),
        "unknown": list_of(text("one of them whose depth is unknown and counts as free")),
    }
)
_OUTCOME = object_of(
    {
        "source": text("name"),
        "pair": text("BASE/QUOTE"),
        "kind": text("market, redemption or reference"),
        "group": text("what it depends on"),
        "price": text(_PRICE),
        "observed_at_ms": whole("when it was seen"),
        "bid": text("what selling pays", nullable=True),
        "ask": text("what buying costs", nullable=True),
        "depth": text("base units that move the price by 1 %", nullable=True),
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
        "base_share_bps",
        "chain_id",
        "block",
        "failed_at_ms",
        "code",
        "text",
    ),
)
_OPERATOR = object_of(
    {
        "operator": text("name"),
        "round": _PUBLISHED["round"],
        "result": {"type": "string", "enum": ["round", "abstained"]},
        "rules_version": whole("rules that it was computed by"),
        "spec_hash": text("hash of the feed's spec"),
        "state_before": text("hash of what was remembered before"),
        "state_after": text("and after"),
        "outcomes": list_of(_OUTCOME),
        "legs": list_of(object_of({"feed": text("name"), **_SIGNED})),
        "market": _or_null(_AGGREGATE),
        "redemption": _or_null(_AGGREGATE),
        "deviation_bps": _PUBLISHED["deviation_bps"],
        "status": _STATUS,
        "reasons": list_of(_REASON),
        "report": ref("Report"),
        "cost": list_of(_COST),
        "code": text("why it abstained"),
        "text": text("the same with numbers"),
        "rejected": list_of(_REJECTED),
        "kept": _or_null(ref("Report")),
    },
    (
        "market",
        "redemption",
        "deviation_bps",
        "status",
        "reasons",
        "report",
        "cost",
        "code",
        "text",
        "rejected",
        "kept",
    ),
)
_FEED = object_of(
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
        "legs": _TEXTS,
        "bands": BANDS,
        "rules": RULES,
        "budget": _or_null(_BUDGET),
        "sources": list_of(_SOURCE),
    }
)
_PRICE_ANSWER = object_of(
    {
        "feed": text("name"),
        "base": text("token"),
        "quote": text("unit of the prices"),
        **_PUBLISHED,
        "mode": text("which of the two prices `price` is"),
        "price_decimals": whole("digits after the point in every price"),
        "reasons": list_of(_REASON),
        "heartbeat_s": whole("longest time between pushes"),
        "final": flag("false: an indication of the live lane, neither stored nor signed"),
        "operators": _TEXTS,
        "legs": _TEXTS,
        "onchain": list_of(_ONCHAIN),
        "onchain_missing": list_of(text("a target whose store is to hold it and is not known to")),
        "abstaining": _or_null(_ABSTAINING),
    }
)
_TARGET = object_of(
    {
        "target": text("name"),
        "sends": flag("it has a gas key that is open"),
        "connected": flag("the operators have their seat at its store"),
        "looked_at_ms": whole("when its store was read the last time; null: never", nullable=True),
        "quorum": _or_null(
            object_of(
                {
                    "reachable": flag("a push can be signed"),
                    "weight": text("that the operators here can bring"),
                    "threshold": text("that a push needs"),
                    "missing": list_of(text("who does not sign here, and why")),
                }
            )
        ),
        "pushes_left": whole("that the gas key can pay for; null: not known", nullable=True),
        "feeds": list_of(
            object_of(
                {
                    "feed": text("name"),
                    "round": whole("round_time of what the store holds; null: nothing", nullable=True),
                    "age_s": whole("since then, now, rounded up", nullable=True),
                    "heartbeat_s": whole("longest time between pushes"),
                    "late": flag("the store should hold a newer round by now"),
                    "held": text("why it was due and not pushed in the newest round; empty if it was not"),
                }
            )
        ),
    }
)
_ROUND = object_of({**_PUBLISHED, "reasons": _TEXTS})
SCHEMAS: dict[str, Schema] = {
    "Feeds": object_of({"feeds": list_of(_FEED)}),
    "Price": _PRICE_ANSWER,
    "Prices": object_of(
        {
            "prices": list_of(ref("Price")),
            "missing": list_of(
                object_of({"feed": text("name"), "code": text("reason class"), "text": text("why it has no price")})
            ),
            "ready": flag("as /readyz: these prices may be relied on, here and on the chains that are pushed to"),
            "reasons": _TEXTS,
        }
    ),
    "History": object_of(
        {
            "feed": text("name"),
            "more": flag("the time range holds older rounds than these"),
            "rounds": list_of(_ROUND),
        }
    ),
    "Twap": object_of(
        {
            "feed": text("name"),
            "of": text("price, market or redemption"),
            "since_ms": whole("start of the window"),
            "until_ms": whole("its end"),
            "rounds": whole("whose price stood in it"),
            "covered_ms": whole("of the window, by prices that stood in it"),
            "max_gap_ms": whole("longest time that one round stands for"),
            "arithmetic": text(_PRICE),
            "geometric": text(_PRICE),
        }
    ),
    "Explanation": object_of(
        {
            "feed": text("name"),
            "record": _or_null(_ROUND),
            "operators": list_of(_OPERATOR),
            "values": list_of(object_of({"operator": text("name"), **_SIGNED})),
            "legs": _TEXTS,
        }
    ),
    "Live": object_of({"prices": list_of(ref("Price"))}),
    "Changes": object_of(
        {
            "changes": list_of(
                object_of(
                    {
                        "feed": text("name"),
                        "at_ms": whole("when it was published"),
                        "before": _STATUS,
                        "after": _STATUS,
                        "reasons": list_of(_REASON),
                    }
                )
            )
        }
    ),
    "Report": object_of(_SIGNED),
    "SignedReport": object_of(
        {
            "feed": text("name"),
            "chain_id": text("of the store"),
            "store": text("address of the PriceStore"),
            "epoch": text("of its signer set"),
            "index": whole("of the feed in the store"),
            "item": ref("Report"),
            "batch": text("first argument of push"),
            "signatures": text("second argument of push"),
            "signers": list_of(object_of({"operator": text("name"), "address": text("of its key")})),
            "calldata": text("the whole call: push(batch, signatures)"),
        }
    ),
    "Health": object_of(
        {
            "live": flag("the process works"),
            "ready": flag("its prices may be relied on"),
            "degraded": flag("there are warnings"),
            "reasons": _TEXTS,
            "warnings": list_of(text("what is not as it should be and keeps nothing from working")),
            "started_at_ms": whole("start of the process"),
            "round": whole("newest stored round", nullable=True),
            "round_lag_ms": whole("since its time", nullable=True),
            "clock_offset_ms": whole("how far others' clocks are ahead of this machine's"),
            "feeds": whole("configured"),
            "feeds_abstaining": whole("without a price in the newest round"),
            "targets": list_of(_TARGET),
        }
    ),
    "Error": object_of(
        {"error": object_of({"code": text("stable code"), "message": text("a sentence"), "hint": text("what to do")})}
    ),
}
"""Documents by name."""
