"""Watch, keeper and reports of epochs."""

from __future__ import annotations

from oracle.serve.metric_rows.row import counter, gauge

ROWS = (
    gauge(
        "watch_evidence",
        "words of an operator that contradict each other, kept by [the watch](operate.md#the-watch): `found`, `sent`, `proven`, `refused`, `late`, `spare`, `own`",
        ("state",),
        alarm="any `own`: your key is used twice; `found` that stays",
    ),
    gauge(
        "rewards_epoch",
        "newest epoch whose [report](stake.md#reports-by-themselves) is posted; 0: none is known",
        alarm="it stays when an epoch is over",
    ),
    counter(
        "rewards_attempts_failed",
        "attempts of operators to agree on a report that came to nothing",
        alarm="more than operators are missing, in an epoch",
    ),
    counter("watch_words", "signatures that were compared", alarm="no growth for a minute"),
    gauge("watch_block", "newest block whose pushes were read", ("target",), alarm="behind the chain for some minutes"),
    gauge("watch_unread_pushes", "pushes of which it is not known who signed", ("target",), alarm="any"),
    counter(
        "watch_endpoint_words",
        "signatures that an operator's endpoint showed (`watch.endpoints`) and that counted",
        ("endpoint",),
        alarm="no growth for some minutes",
    ),
    counter(
        "watch_endpoint_strange",
        "signatures that it showed and that no key of a set has made",
        ("endpoint",),
        alarm="any: it lies, or is of another store",
    ),
    counter("watch_endpoint_failures", "answers that came to nothing", ("endpoint",), alarm="rising"),
    gauge(
        "keeper_due_seconds",
        "for how long the oldest duty of a kind is due and done by nobody; 0: none is. See [the keeper](stake.md#the-keeper)",
        ("target", "duty"),
        alarm="above 900: no keeper has gas, or nobody keeps",
    ),
    gauge(
        "keeper_hindered",
        "duties that are due and would fail now",
        ("target", "duty"),
        alarm="above 0 for some minutes: the log says why",
    ),
    counter(
        "keeper_calls",
        "calls of this process: `sent`, `done`, `reverted` (mostly somebody else was first), `replaced`, `expired`, `refused`, `over_budget`, `no_ether`",
        ("target", "duty", "outcome"),
        alarm="`reverted` rising; `over_budget` and `no_ether`",
    ),
    gauge(
        "keeper_gas_left",
        "gas of the day's budget that is left; 0 without a key",
        ("target",),
        alarm="0 where there is a key",
    ),
    gauge(
        "keeper_freeze_gas",
        "gas that a freeze needs at most: by the time it is due so much of the budget is left by other duties; 0 where none is done from here",
        ("target",),
        alarm="above `keeper.gas_a_day`: raise that",
    ),
    gauge(
        "keeper_freeze_lacks_gas",
        "gas that will lack in the day's budget for a freeze when the next is due; 0: none",
        ("target",),
        alarm="above 0: others have to do it",
    ),
)
