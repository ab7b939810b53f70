"""The description that /openapi.json serves: paths, parameters, answers."""

from __future__ import annotations

from typing import Any

from oracle.serve.openapi.schema import Schema, ref
from oracle.serve.openapi.schemas import SCHEMAS

_ERRORS = {
    "400": "a parameter is unknown, repeated or out of range",
    "404": "no such feed, round or path; the hint names the nearest feeds",
    "405": "everything is GET, but for a question",
    "413": "a request has no body",
    "503": "not yet: no record, no signed report, not ready; or too many long reads or connections (Retry-After)",
}
_FEED = (
    {"name": "base", "in": "path", "required": True, "schema": {"type": "string"}},
    {"name": "quote", "in": "path", "required": True, "schema": {"type": "string"},
     "description": "with @chain and #variant (as %23) where the feed's name has them"},
)  # fmt: skip
_PRICE_PATH = "/v1/prices/{base}/{quote}"


def _query(name: str, description: str, schema: Schema) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def _number(least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


def _get(summary: str, kind: str, *parameters: dict[str, Any], media: str = "application/json") -> dict[str, Any]:
    schema = ref(kind) if kind in SCHEMAS else {"type": "string"}
    answers: dict[str, Any] = {"200": {"description": summary, "content": {media: {"schema": schema}}}}
    problem = {"application/json": {"schema": ref("Error")}}
    answers |= {code: {"description": text, "content": problem} for code, text in _ERRORS.items()}
    if media == "application/json" and kind != "Health":
        answers["304"] = {"description": "the client has these bytes (If-None-Match)"}
    if kind == "Health":
        answers["503"] = {"description": "no; the reasons say why", "content": {media: {"schema": schema}}}
    return {"get": {"summary": summary, "parameters": list(parameters), "responses": dict(sorted(answers.items()))}}


def _post(summary: str, asked: str, kind: str) -> dict[str, Any]:
    described = _get(summary, kind)["get"]
    answers = {k: v for k, v in described["responses"].items() if k != "304"}
    problem = answers["400"]["content"]
    answers |= {
        "400": {
            "description": "the question is wrong, costs too much, or asks of what is not kept",
            "content": problem,
        },
        "408": {"description": "the question did not come in time", "content": problem},
        "413": {"description": "the question is too long", "content": problem},
        "415": {"description": "the question is no JSON", "content": problem},
    }
    body = {"required": True, "content": {"application/json": {"schema": ref(asked)}}}
    return {"post": {**described, "requestBody": body, "responses": dict(sorted(answers.items()))}}


_LIVE = _query(
    "live", "1: the newest indication instead of the last final record", {"type": "string", "enum": ["0", "1"]}
)
_ONE = _query("feed", "name of the only feed that is wanted; all by default", {"type": "string"})
_SINCE = _query("since_ms", "first round time that counts", _number(0, 1 << 45))
_UNTIL = _query("until_ms", "first round time that no longer counts", _number(1, 1 << 45))
_LIMIT = _query("limit", "at most so many rounds, the newest of the range; 1000 by default", _number(1, 10_000))
_MOST = _query("limit", "at most so many, the newest; 50 by default", _number(1, 200))
_SPAN = _query("span_s", "how far back; 3600 by default", {"type": "string", "enum": ["3600", "86400"]})
_WINDOW = _query("window_s", "length of the window; 1800 by default", _number(1, 604_800))
_END = _query("end_ms", "where the window ends; by default, and at the latest, now", _number(1, 1 << 45))
_OF = _query("of", "which price", {"type": "string", "enum": ["price", "market", "redemption"]})
_TARGET = _query(
    "target", "whose store the report is for; the first target of the config by default", {"type": "string"}
)
_ROUND = _query("round", "round_time in Unix seconds; the newest by default", _number(1, (1 << 32) - 1))
_SEALED = {
    "name": "round", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^([0-9]{1,10}|newest)$"},
    "description": "round_time in Unix seconds, or newest",
}  # fmt: skip
_AFTER = _query("after", "begin with the rounds that were stored after this one", _number(0, (1 << 32) - 1))
_LAST_ID = {
    "name": "Last-Event-ID", "in": "header", "required": False, "schema": {"type": "string", "pattern": "^[0-9]{1,10}$"},
    "description": "the same as after, and before it: what a client that connects again says",
}  # fmt: skip
_OF_STORE = _query("target", "whose round; the home store's by default", {"type": "string"})

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "lrt-oracle",
        "version": "1",
        "description": "Prices are exact decimal strings, times Unix milliseconds. Every answer has a strong ETag.",
        "license": {"name": "MIT", "identifier": "MIT"},
    },
    "paths": {
        "/v1/feeds": _get("what each feed is made of", "Feeds", _ONE),
        "/v1/prices": _get("the prices of all feeds", "Prices", _LIVE),
        _PRICE_PATH: _get("a feed's price", "Price", *_FEED, _LIVE),
        f"{_PRICE_PATH}/history": _get("a feed's rounds, ascending", "History", *_FEED, _SINCE, _UNTIL, _LIMIT),
        f"{_PRICE_PATH}/changes": _get("the newest changes of a feed's status", "FeedChanges", *_FEED, _MOST),
        f"{_PRICE_PATH}/pushes": _get("the newest pushes of a feed", "FeedPushes", *_FEED, _MOST),
        f"{_PRICE_PATH}/twap": _get("time-weighted means of a window", "Twap", *_FEED, _WINDOW, _END, _OF),
        f"{_PRICE_PATH}/explain": _get("every input of a round", "Explanation", *_FEED, _ROUND),
        f"{_PRICE_PATH}/report": _get("the signed report of one feed", "SignedReport", *_FEED, _TARGET),
        f"{_PRICE_PATH}/security": _get("who answers for a price with what, and what a lie costs", "Security", *_FEED),
        "/v1/query": _post(
            "a price by sources, method and time of one's own choice; never signed", "Query", "QueryAnswer"
        ),
        "/v1/trends": _get("the course of all feeds at a glance", "Trends", _SPAN),
        "/v1/operators": _get("who agrees on the rounds, and who is missing", "Operators"),
        "/v1/rounds/{round}/sealed": _get("a sealed round with what proves it", "SealedRound", _SEALED, _OF_STORE),
        "/v1/rounds/stream": _get(
            "events: round, each sealed round as a RoundEvent",
            "stream",
            _OF_STORE,
            _AFTER,
            _LAST_ID,
            media="text/event-stream",
        ),
        "/v1/stream": _get("events: live, final, status", "stream", media="text/event-stream"),
        "/healthz": _get("whether the process works", "Health"),
        "/readyz": _get("whether its prices may be relied on", "Health"),
        "/metrics": _get("for Prometheus", "metrics", media="text/plain"),
        "/openapi.json": _get("this document", "openapi"),
    },
    "components": {"schemas": SCHEMAS},
}
