"""The schemas of what happened: a feed's course, changes of its status, pushes."""

from __future__ import annotations

from oracle.serve.openapi.record import REASON, STATUS
from oracle.serve.openapi.schema import flag, list_of, object_of, or_null, ref, text, whole

_CHANGE = object_of(
    {
        "feed": text("name"),
        "at_ms": whole("when it was published"),
        "before": STATUS,
        "after": STATUS,
        "reasons": list_of(REASON),
    }
)
CHANGES = object_of({"changes": list_of(_CHANGE)})
FEED_CHANGES = object_of({"feed": text("name"), "more": flag("there are older ones"), "changes": list_of(_CHANGE)})
FEED_PUSHES = object_of(
    {
        "feed": text("name"),
        "pushes": list_of(
            object_of(
                {
                    "target": text("name"),
                    "at_ms": whole("when it was signed, or found due"),
                    "state": text("what became of the transaction; not_sent: none was made"),
                    "price": text("what was pushed, in the feed's mode", nullable=True),
                    "item": or_null(ref("Report")),
                    "feeds": whole("in this push; they share its gas"),
                    "landed_at_ms": whole("when it was seen in the chain; null: it is not there", nullable=True),
                    "block": text("in which it is", nullable=True),
                    "tx_hash": text("of the transaction", nullable=True),
                    "gas_used": whole("of all its feeds", nullable=True),
                    "why": text("why this feed was due"),
                    "note": text("what went wrong; empty if nothing did"),
                }
            )
        ),
    }
)
TRENDS = object_of(
    {
        "span_s": whole("of the whole course"),
        "step_s": whole("between two points"),
        "until": whole("Unix seconds: the end of the last step"),
        "feeds": list_of(
            object_of(
                {
                    "feed": text("name"),
                    "points": list_of(
                        or_null(
                            object_of(
                                {
                                    "price": text("in the feed's mode", nullable=True),
                                    "deviation_bps": whole("market from redemption, negative below", nullable=True),
                                    "status": STATUS,
                                }
                            )
                        )
                    ),
                }
            )
        ),
    }
)
