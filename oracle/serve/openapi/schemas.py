"""The documents of the endpoint, field by field. A test holds them against the real answers and docs/api.md."""

from __future__ import annotations

from oracle.serve.openapi.explanation import EXPLANATION
from oracle.serve.openapi.feed import FEED
from oracle.serve.openapi.health import HEALTH
from oracle.serve.openapi.operators import OPERATORS, ROUND_EVENT, SEALED_ROUND
from oracle.serve.openapi.past import CHANGES, FEED_CHANGES, FEED_PUSHES, TRENDS
from oracle.serve.openapi.price import PRICE_ANSWER
from oracle.serve.openapi.query import QUERY, QUERY_ANSWER, QUERY_POINT
from oracle.serve.openapi.record import PRICE, ROLL_UP, ROUND, SEAL, SIGNED, TEXTS
from oracle.serve.openapi.schema import Schema, flag, list_of, object_of, or_null, ref, text, whole
from oracle.serve.openapi.security import SECURITY
from oracle.serve.openapi.stake import STAKE

SCHEMAS: dict[str, Schema] = {
    "Feeds": object_of({"feeds": list_of(FEED)}),
    "Price": PRICE_ANSWER,
    "Prices": object_of(
        {
            "prices": list_of(ref("Price")),
            "missing": list_of(
                object_of({"feed": text("name"), "code": text("reason class"), "text": text("why it has no price")})
            ),
            "ready": flag("as /readyz: these prices may be relied on, here and on the chains that are pushed to"),
            "reasons": TEXTS,
            "round": whole("newest round that was made since the start; null: none yet", nullable=True),
            "interval_s": whole("between rounds; null: not known", nullable=True),
        }
    ),
    "History": object_of(
        {
            "feed": text("name"),
            "more": flag("the time range holds older rounds than these"),
            "full_rate_since": whole(
                "from this round_time on there is every round, before it roll_ups and single rounds; null: always",
                nullable=True,
            ),
            "rounds": list_of(ROUND),
            "roll_ups": list_of(ROLL_UP),
        }
    ),
    "Twap": object_of(
        {
            "feed": text("name"),
            "of": text("price, market or redemption"),
            "since_ms": whole("start of the window"),
            "until_ms": whole("its end"),
            "rounds": whole("whose price was current in it"),
            "covered_ms": whole("part of the window in which there was a price"),
            "max_gap_ms": whole("longest time that one price counts"),
            "arithmetic": text(PRICE),
            "geometric": text(PRICE),
        }
    ),
    "Explanation": EXPLANATION,
    "Live": object_of({"prices": list_of(ref("Price"))}),
    "Changes": CHANGES,
    "FeedChanges": FEED_CHANGES,
    "FeedPushes": FEED_PUSHES,
    "Trends": TRENDS,
    "Query": QUERY,
    "QueryPoint": QUERY_POINT,
    "QueryAnswer": QUERY_ANSWER,
    "Report": object_of(SIGNED),
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
            "seal": or_null(SEAL),
        }
    ),
    "Operators": OPERATORS,
    "Stake": STAKE,
    "Security": SECURITY,
    "SealedRound": SEALED_ROUND,
    "RoundEvent": ROUND_EVENT,
    "Health": HEALTH,
    "Error": object_of(
        {"error": object_of({"code": text("stable code"), "message": text("a sentence"), "hint": text("what to do")})}
    ),
}
"""Documents by name."""
