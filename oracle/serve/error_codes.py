"""Codes of the endpoint's errors: stable words for machines. ``docs/api.md`` lists them, and a test compares."""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """``error.code`` of an error document."""

    BAD_PARAMETER = "bad_parameter"
    WINDOW_TOO_LONG = "window_too_long"
    BAD_QUERY = "bad_query"
    QUERY_TOO_COSTLY = "query_too_costly"
    NOT_KEPT = "not_kept"
    UNKNOWN_FEED = "unknown_feed"
    UNKNOWN_ROUND = "unknown_round"
    UNKNOWN_PATH = "unknown_path"
    NO_SLOT = "no_slot"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    BODY_REFUSED = "body_refused"
    REFUSED = "refused"
    INTERNAL = "internal"
    BUSY = "busy"
    FULL = "full"
    TOO_MANY = "too_many"
    TOO_SLOW = "too_slow"
    BAD_KEY = "bad_key"
    NO_RECORD = "no_record"
    NO_INDICATION = "no_indication"
    NO_STREAM = "no_stream"
    NO_ROUND = "no_round"
    NO_TARGET = "no_target"
    NO_QUORUM = "no_quorum"
    BACKUP = "backup"
    NOT_HERE = "not_here"
    BEHIND = "behind"
    ARCHIVE_AWAY = "archive_away"
