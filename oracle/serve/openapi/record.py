"""The schemas of a published record and of what is signed."""

from __future__ import annotations

from oracle.serve.openapi.schema import flag, list_of, object_of, or_null, text, whole

PRICE = "quote units for one base unit, exact decimal text"
TEXTS = list_of({"type": "string"})
STATUS = {"type": "string", "enum": ["ok", "watch", "depeg", "halt"]}
_ABSENT = object_of({"operator": text("name, or address"), "why": text("a sentence")})
SEAL = object_of(
    {
        "target": text("whose operators signed"),
        "epoch": text("of their signer set"),
        "weight": text("of those who signed"),
        "threshold": text("that is needed"),
        "total": text("of all"),
        "attempt": whole("of the agreement that came about, from 1"),
        "sealed_ms": whole(
            "from the round's start until the threshold was reached; null: learned later", nullable=True
        ),
        "missing": list_of(_ABSENT),
        "refused": list_of(_ABSENT),
    }
)
PUBLISHED = {
    "round": whole("round_time, Unix seconds: the round's number"),
    "price": text(f"the price in the feed's mode: {PRICE}", nullable=True),
    "market": text(f"what a trade pays: {PRICE}", nullable=True),
    "redemption": text(f"what the protocol owes: {PRICE}", nullable=True),
    "deviation_bps": whole("market from redemption, negative below, rounded away from zero", nullable=True),
    "spread_bps": whole("confidence: the market lies within this of the price"),
    "status": STATUS,
    "status_only": flag("the prices are those last published: they were not computed again"),
    "market_age_s": whole("round_time minus the oldest market input, rounded up"),
    "redemption_age_h": whole("since the protocol last changed its rate, rounded up"),
    "observed_at_ms": whole("the oldest input used"),
    "computed_at_ms": whole("when the round was computed"),
    "signed_at_ms": whole("when operators signed; null where none has a key", nullable=True),
    "seal": or_null(SEAL),
}
SIGNED = {k: PUBLISHED[k] for k in ("round", "market", "redemption", "spread_bps", "status")} | {
    "why": text("reason class of the status"),
    "market_age_s": PUBLISHED["market_age_s"],
    "redemption_age_h": PUBLISHED["redemption_age_h"],
    "status_only": PUBLISHED["status_only"],
}
REASON = object_of({"code": text("stable code"), "text": text("a sentence with the numbers")})
ROLL_UP = object_of(
    {
        "start": whole("of the step, Unix seconds"),
        "step_s": whole("its length: 60 or 3600"),
        "rounds": whole("how many rounds of it were published"),
        "open": text(f"price of the first of them: {PRICE}", nullable=True),
        "high": text(f"the highest price: {PRICE}", nullable=True),
        "low": text(f"the lowest price: {PRICE}", nullable=True),
        "close": text(f"price of the last of them: {PRICE}", nullable=True),
        "market": text(f"what a trade paid in the last of them: {PRICE}", nullable=True),
        "redemption": text(f"what the protocol owed in the last of them: {PRICE}", nullable=True),
        "worst": {**STATUS, "description": "the worst status among them"},
        "status": {**STATUS, "description": "status of the last of them"},
    }
)
ROUND = object_of({**PUBLISHED, "reasons": TEXTS})
