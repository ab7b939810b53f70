"""The schema of a price: the record, what the stores hold, and why there is nothing newer."""

from __future__ import annotations

from oracle.serve.openapi.record import PRICE, PUBLISHED, REASON, TEXTS
from oracle.serve.openapi.risk import PRICE_RISK, RISK_CODES
from oracle.serve.openapi.schema import flag, list_of, object_of, or_null, text, whole

_ONCHAIN = object_of(
    {
        "target": text("name of the target"),
        "round": whole("round_time of what its store holds"),
        "round_id": text("roundId of the feed's view"),
        "price": text(PRICE, nullable=True),
        "age_s": whole("since its round, when this answer was made, rounded up"),
        "late_at_ms": whole(
            "from then on the store should hold a newer round: heartbeat, and the time that a push may take"
        ),
        "late": flag("that time has passed"),
        "landed_at_ms": whole(
            "when the push was seen to have landed; null where another process pushed it", nullable=True
        ),
        "tx_hash": text("transaction; null where another process pushed it", nullable=True),
        "why": text("why it was pushed; empty if that is not known here"),
        "announced_by": text(
            "operator of another process that said it would push this round; else null", nullable=True
        ),
        "announced_tx": text("the transaction that it named: a hint, not checked; else null", nullable=True),
    }
)
_ABSTAINING = object_of(
    {
        "code": text("reason class"),
        "text": text("a sentence with the numbers"),
        "since_ms": whole("first round without a price; where no rounds are made, since when"),
        "age_s": whole("age of the last record's oldest input, now, rounded up"),
    }
)
PRICE_ANSWER = object_of(
    {
        "feed": text("name"),
        "base": text("token"),
        "quote": text("unit of the prices"),
        **PUBLISHED,
        "mode": text("which of the two prices `price` is"),
        "price_decimals": whole("digits after the point in every price"),
        "reasons": list_of(REASON),
        "heartbeat_s": whole("longest time between pushes"),
        "final": flag("false: an indication of the live lane, neither stored nor signed"),
        "operators": TEXTS,
        "legs": TEXTS,
        "onchain": list_of(_ONCHAIN),
        "onchain_missing": list_of(text("a target whose store should hold it and is not known to")),
        "abstaining": or_null(_ABSTAINING),
        "security": text("path of what secures this price"),
        "risk_codes": RISK_CODES,
        "risk": or_null(PRICE_RISK),
    }
)
