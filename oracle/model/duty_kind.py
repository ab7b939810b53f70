"""What there is to do for the contracts of stake, by name: of the config, metrics and logs."""

from __future__ import annotations

from enum import StrEnum


class DutyKind(StrEnum):
    """In the order in which it is done: a freeze waits for nothing, as nothing else is as urgent, and anybody could make other duties."""

    OBSERVE = "observe"
    ROTATE = "rotate"
    REMOVE = "remove"
    TOP_UP = "top-up"
    CARRY_OUT = "carry-out"
    RETRY = "retry"
    FINISH = "finish"
    TAKE_REST = "take-rest"
    REFRESH = "refresh"


FREEZE = frozenset({DutyKind.OBSERVE, DutyKind.ROTATE})
"""Of which the next set is made."""
