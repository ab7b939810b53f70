"""The schemas of /v1/operators and of a sealed round."""

from __future__ import annotations

from oracle.serve.openapi.record import PUBLISHED, REASON, TEXTS
from oracle.serve.openapi.schema import Schema, flag, list_of, object_of, or_null, ref, text, whole

_SHARE = "of 10000; null: no such round yet"


def _late(of: str) -> Schema:
    return object_of(
        {
            "p50": whole(f"median: when {of}, ms from the round's start; null: never", nullable=True),
            "p99": whole("of a hundred the latest but one", nullable=True),
        }
    )


def _reasons(what: str) -> Schema:
    return list_of(
        object_of({"text": text(what), "rounds": whole("of how many rounds"), "newest": whole("the newest of them")})
    )


_HOUR = object_of(
    {
        "rounds": whole("that it was a member in"),
        "watched": whole("of these, rounds that this process saw happen"),
        "values_bps": whole(f"share of the watched rounds with its values, {_SHARE}", nullable=True),
        "ready_bps": whole(f"share of the watched rounds in which it was ready, {_SHARE}", nullable=True),
        "signed_bps": whole(f"share of the rounds with its signature, {_SHARE}", nullable=True),
        "values_after_ms": _late("its values came"),
        "signed_after_ms": _late("its signature came"),
        "led": whole("attempts that it led"),
        "led_sealed": whole("of these, attempts that ended with a sealed round"),
        "missing": _reasons("why its signature was missing, the newest first"),
        "missing_now": whole("newest sealed rounds in a row without its signature"),
        "apart": _reasons("feeds that it did not vouch for and why, the newest first"),
        "apart_now": whole("newest sealed rounds in a row in which it did not vouch for some feed"),
        "evidence": object_of(
            {
                "count": whole("of messages that do not go together"),
                "newest": _reasons("kind and what is wrong, the newest first"),
            }
        ),
    }
)
_OPERATOR = object_of(
    {
        "address": text("of its report key"),
        "name": text("in the config, else its address"),
        "here": flag("it signs in this process; where none runs: with the key of this config"),
        "weight": text("in the set of the newest round, 0: no member now; null: no round yet", nullable=True),
        "path": text(
            "here, direct (we dialled), inbound (it dialled), via (others carry), none; unknown: no process runs"
        ),
        "via": list_of(text("who carries")),
        "remote": text("other end of the link; empty: no link"),
        "urls": list_of(text("where it says that it listens")),
        "round_trip_ms": whole("shortest of the last pings", nullable=True),
        "clock_offset_ms": whole("how far its clock is ahead of this machine's", nullable=True),
        "build": text("version of its software"),
        "versions": list_of(whole("of the protocol, that it speaks")),
        "path_since_ms": whole("since when it is linked, or not; null: it is here", nullable=True),
        "last_error": text("last thing that went wrong on the way to it"),
        "last_error_ms": whole("when, Unix ms; null: nothing did", nullable=True),
        "why": text("what is missing of it now; empty: nothing"),
        "hour": _HOUR,
        "refused": object_of(
            {
                "count": whole("its messages that counted for nothing, since the start"),
                "last": text("why the last one did"),
            }
        ),
    }
)
OPERATORS = object_of(
    {
        "target": text("name of the home store; null: this process has no operators", nullable=True),
        "running": flag("a running process says it; false: its database alone was asked"),
        "epoch": text("of the signer set of the newest round", nullable=True),
        "epoch_expires_s": whole(
            "the first round_time that this set may not sign any more, Unix s; null: only another set ends it",
            nullable=True,
        ),
        "round": whole("the newest round that is known", nullable=True),
        "weight": text("of all in that set", nullable=True),
        "threshold": text("weight that seals a round", nullable=True),
        "clock_offset_ms": whole("how far the others' clocks are ahead, their weighted median", nullable=True),
        "warnings": list_of(text("what is wrong with the operators of this process")),
        "rounds": or_null(
            object_of(
                {
                    "sealed": whole("in the last hour"),
                    "lost": whole("that came to nothing"),
                    "attempts": whole("that all of them took"),
                    "lost_why": _reasons("why, the newest first"),
                    "sealed_after_ms": _late("the threshold was reached"),
                }
            )
        ),
        "operators": list_of(_OPERATOR),
        "stake": or_null(ref("Stake")),
        "stake_why": text("why `stake` is null; empty: it is not"),
    }
)
SEALED_ROUND = object_of(
    {
        "target": text("name of the store"),
        "chain_id": text("of the store"),
        "store": text("address of the PriceStore"),
        "epoch": text("of its signer set"),
        "round": whole("round_time, Unix seconds"),
        "step": whole("of the agreement in which it was sealed; two steps are one attempt"),
        "items": text("what was sealed: 30 bytes a feed, as in push"),
        "digest": text("EIP-712 digest of Sealed: what was signed"),
        "dropped": list_of(text("a feed on which the members parted")),
        "threshold": text("weight that seals"),
        "signers": list_of(
            object_of(
                {
                    "address": text("of its report key"),
                    "weight": text("in the set"),
                    "signature": text(
                        "r and vs, 64 bytes (EIP-2098); null: not among those that sealed", nullable=True
                    ),
                }
            )
        ),
        "feeds": list_of(object_of({"index": whole("in the store"), "feed": text("name"), "report": ref("Report")})),
    }
)
ROUND_EVENT = object_of(
    {
        "sealed": ref("SealedRound"),
        "records": list_of(
            object_of(
                {
                    "feed": text("name"),
                    **PUBLISHED,
                    "mode": text("which of both prices it serves"),
                    "ramp_ppm": whole("how much of the market is in redemption_unless_depeg, in millionths"),
                    "reasons": list_of(REASON),
                    "operators": TEXTS,
                    "legs": TEXTS,
                }
            )
        ),
        "abstaining": list_of(
            object_of({"feed": text("name"), "code": text("reason class"), "text": text("why it has no price")})
        ),
    }
)
