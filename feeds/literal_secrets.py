"""Secrets that stand in an address as they are: what an answer that repeats them must not show either. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from feeds.secret_refs import without_refs

KEY_LIKE = r"(?!0x)(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{20,}"
"""A part of a path that is as long as a provider's key and has a digit in it."""
SECRET_PARAMETER = r"key|token|secret|auth|sig|pass|pin"  # noqa: S105 - names, not values
"""The name of a parameter that holds a secret has one of these in it."""
_ADDRESS = re.compile(
    r"(?P<scheme>https?|wss?|nats|tls|postgres(?:ql)?)://(?P<place>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?",
    re.IGNORECASE,
)
_KEY, _NAMED = re.compile(KEY_LIKE), re.compile(SECRET_PARAMETER, re.IGNORECASE)
_RANDOM = re.compile(r"(?!0x)(?=.*[0-9])(?=.*[A-Za-z])[^\s]{16,}")
"""A value that nobody chose to be read."""
_ELSEWHERE = "\0"
"""Stands for a secret that is only named: whatever has one in it holds no other."""


def literal_secrets(text: str) -> Mapping[str, str]:
    """What is secret in an address besides what it names: place -> value.

    A password, a user who is without one or is named like a key, parts of the path that look like a provider's key, and
    parameters whose name or value is one of a key.

    Args:
        text: as it stands in the config. Any other text holds none.
    """
    found = _ADDRESS.match(without_refs(text, _ELSEWHERE))
    if found is None:
        return {}
    values = (*_of_person(found), *_of_path(found["path"]), *_of_query(found["query"] or ""))
    return {f"literal {i}": value for i, value in enumerate(values) if value and _ELSEWHERE not in value}


def _of_person(found: re.Match[str]) -> Iterator[str]:
    person = found["place"].rpartition("@")[0]
    user, colon, password = person.partition(":")
    if colon:
        yield password
        yield base64.b64encode(unquote(person).encode()).decode() if _ELSEWHERE not in person else ""
    is_database = found["scheme"].lower().startswith("postgres")
    if _RANDOM.fullmatch(user) or not (password or is_database):
        yield user


def _of_path(path: str) -> Iterator[str]:
    yield from (part for part in path.split("/") if _KEY.fullmatch(part))


def _of_query(query: str) -> Iterator[str]:
    for part in re.split("[&;]", query):
        name, _, value = part.partition("=")
        if _NAMED.search(name) or _RANDOM.fullmatch(value):
            yield value
