"""The schema of /healthz and /readyz."""

from __future__ import annotations

from oracle.serve.openapi.record import TEXTS
from oracle.serve.openapi.schema import flag, list_of, object_of, or_null, text, whole

_TARGET = object_of(
    {
        "target": text("name"),
        "sends": flag("it has a gas key that is open"),
        "connected": flag("the operators sit in its store's signer set"),
        "looked_at_ms": whole("when its store was last read; null: never", nullable=True),
        "quorum": or_null(
            object_of(
                {
                    "reachable": flag("a push can be signed"),
                    "weight": text("of the operators that sign here"),
                    "threshold": text("that a push needs"),
                    "missing": list_of(text("a signer that does not sign, and why")),
                }
            )
        ),
        "pushes_left": whole("pushes that the gas key can pay for; null: not known", nullable=True),
        "feeds": list_of(
            object_of(
                {
                    "feed": text("name"),
                    "round": whole("round_time of what the store holds; null: nothing", nullable=True),
                    "age_s": whole("since then, now, rounded up", nullable=True),
                    "heartbeat_s": whole("longest time between pushes"),
                    "late": flag("the store should hold a newer round by now"),
                    "held": text("why it was due and not pushed in the newest round; empty if it was not"),
                    "scheduled": whole(
                        "newest time of its cron expressions, Unix seconds; null: it has none", nullable=True
                    ),
                    "missed": flag("by now the store should hold a price of that time or later, and does not"),
                }
            )
        ),
    }
)
_SOURCE = object_of(
    {
        "name": text("host and port"),
        "connected": flag("its stream is open"),
        "round": whole("the newest round of it that was verified; null: none yet", nullable=True),
        "behind_rounds": whole("by so many rounds it is behind now; null: none came yet", nullable=True),
        "refused": whole("rounds of it that do not verify, since the start"),
        "error": text("what went wrong last; empty: nothing"),
    }
)
_NODE = object_of(
    {
        "behind_rounds": whole("by so many rounds it is behind now; null: it has verified none yet", nullable=True),
        "behind_s": whole("since the newest verified round, seconds", nullable=True),
        "relays": flag("it asks operators for what it has not"),
        "sources": list_of(_SOURCE),
    }
)
HEALTH = object_of(
    {
        "live": flag("the process works"),
        "ready": flag("its prices may be relied on"),
        "degraded": flag("there are warnings"),
        "reasons": TEXTS,
        "warnings": list_of(text("what needs attention but stops nothing")),
        "started_at_ms": whole("start of the process"),
        "round": whole("newest stored round", nullable=True),
        "round_lag_ms": whole("since its time", nullable=True),
        "clock_offset_ms": whole("how far others' clocks are ahead of this machine's"),
        "feeds": whole("configured"),
        "feeds_abstaining": whole("without a price in the newest round"),
        "targets": list_of(_TARGET),
        "interval_s": whole("between rounds; null: not known", nullable=True),
        "node": or_null(_NODE),
    }
)
