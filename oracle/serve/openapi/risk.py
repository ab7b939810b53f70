"""The schemas of what a lender must know of a feed: in /v1/feeds and in every price."""

from __future__ import annotations

from feeds.catalog.records import Form, RateSource, Redemption
from feeds.catalog.risk_facts import WayOut
from oracle.model.risk import LiveRiskCode, RiskCode
from oracle.serve.openapi.record import TEXTS
from oracle.serve.openapi.schema import Schema, flag, list_of, object_of, text, whole


def _words(kind: type[Form | RateSource | WayOut], says: str) -> Schema:
    """One of an enum's words, or null where it is not published."""
    return {"type": ["string", "null"], "enum": [*(k.value for k in kind), None], "description": says}


def _fact(codes: type[RiskCode | LiveRiskCode]) -> Schema:
    return object_of(
        {
            "code": {
                "type": "string",
                "enum": [c.value for c in codes],
                "description": "stable code; a yes is the risk",
            },
            "of": text("the token or feed that it is about"),
            "raised": {
                "type": ["boolean", "null"],
                "description": "true: it is there; false: it is known not to be; null: unknown",
            },
            "text": text("a sentence; of an unknown, what is not known"),
            "source": TEXTS,
        }
    )


_TOKEN = object_of(
    {
        "token": text("symbol"),
        "kind": text("LST or LRT"),
        "protocol": text("who issues it"),
        "underlying": text("what it is made of", nullable=True),
        "form": _words(Form, "whether balances change by themselves"),
        "rate_kept": _words(RateSource, "whether its rate is a stored number or computed at every call"),
        "rate_moves": text("how often its rate moves", nullable=True),
        "redemption": {
            "type": "string",
            "enum": [r.value for r in Redemption],
            "description": "whether holders can redeem through the protocol's own contracts, as far as was published",
        },
        "way_out": _words(WayOut, "how a holder redeems"),
        "least_days": whole("least time of a redemption", nullable=True),
        "most_days": whole("longest time that the contracts allow", nullable=True),
        "delay_settable": {"type": ["boolean", "null"], "description": "somebody can change it; null: unknown"},
        "rate_readings": whole("contracts known that state its rate"),
        "growth_cap_percent": text("Aave's cap on the growth of its rate a year", nullable=True),
        "usual_bps": whole("usual distance of its market from its rate, negative for a discount", nullable=True),
        "usual_on": text("when that was measured", nullable=True),
        "testnet": flag("it exists on test networks alone"),
        "note": text("what else is known", nullable=True),
        "source": TEXTS,
    }
)
_BACKING = object_of(
    {
        "of": text("the feed whose sources read it"),
        "rail": text("the bridge that it is about; null: the token as a whole", nullable=True),
        "supply": text(
            "tokens that exist, the least that there are while something is unread; null: unknown", nullable=True
        ),
        "locked": text("tokens that stand behind them; null: unknown", nullable=True),
        "coverage_bps": whole(
            "what stands behind as a share of what exists; null: unknown, or nothing exists", nullable=True
        ),
        "unread": list_of(text("a source that did not answer in time")),
        "as_of": whole("Unix seconds of the oldest reading; null: nothing was read", nullable=True),
    }
)
_DEPTH = object_of(
    {
        "of": text("the feed whose depth it is"),
        "largest": text("the group that has most of it"),
        "share_bps": whole("its part of the whole depth"),
        "depth": text("base units that move the price by 1 %, of all sources behind the price"),
        "unknown": list_of(text("a source behind the price whose depth nobody read")),
    }
)
_SLASH = object_of(
    {
        "of": text("the feed whose rate fell"),
        "round": whole("Unix seconds of the round that saw it"),
        "ppb": whole("by how many parts per billion"),
    }
)
_WITHDRAWAL = object_of(
    {
        "token": text("symbol"),
        "way_out": _words(WayOut, "how a holder redeems"),
        "least_days": whole("least time of a redemption", nullable=True),
        "most_days": whole("longest time that the contracts allow", nullable=True),
        "delay_settable": {"type": ["boolean", "null"], "description": "somebody can change it; null: unknown"},
    }
)
FEED_RISK = object_of({"facts": list_of(_fact(RiskCode)), "tokens": list_of(_TOKEN)})
_CODE: Schema = {"type": "string", "enum": [*(c.value for c in RiskCode), *(c.value for c in LiveRiskCode)]}
RISK_CODES = object_of({"raised": list_of(_CODE), "unknown": list_of(_CODE)})
PRICE_RISK = object_of(
    {
        "flags": list_of(_fact(RiskCode)),
        "unknown": list_of(_fact(RiskCode)),
        "live": object_of(
            {
                "round": whole("the round that showed it; null: none since the start of this process", nullable=True),
                "groups": {
                    "type": ["array", "null"],
                    "items": {"type": "string"},
                    "description": "independent groups behind the market price; null: there is none",
                },
                "facts": list_of(_fact(LiveRiskCode)),
                "backing": list_of(_BACKING),
                "depth": list_of(_DEPTH),
                "slashes": list_of(_SLASH),
            }
        ),
        "withdrawals": list_of(_WITHDRAWAL),
    }
)
