"""What there is to do for the contracts of stake, by name: of the config, metrics and logs."""

from __future__ import annotations

from enum import StrEnum


class DutyKind(StrEnum):
    """In the order in which it is done."""

    REMOVE = "remove"
    TOP_UP = "top-up"
    CARRY_OUT = "carry-out"
    OBSERVE = "observe"
    ROTATE = "rotate"
    RETRY = "retry"
    REFRESH = "refresh"
