"""Secrets in addresses and headers, by name: ``${NAME}`` of the environment, ``${file:/PATH}`` of a file. Pure.

The name is what stands in the config, and in every object that is made of it; :mod:`feeds.secret_values` puts the value in
its place where a request leaves, and nowhere before. So nothing that is shown, logged or stored can hold it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import quote, unquote, unquote_plus, urlsplit

_REF = re.compile(r"\$\{(?:file:(?P<file>[^{}\s]{1,400})|(?P<name>[A-Za-z_][A-Za-z0-9_]{0,99}))\}", re.ASCII)
_OPENED = "${"
_HIDDEN = "***"
_LEAST_HIDDEN = 6
"""A shorter value is no secret: hiding it would only make errors unreadable."""


def check_refs(text: str) -> str:
    """The text itself; ValueError where a ``${`` in it begins nothing that could be filled in."""
    if _OPENED in without_refs(text, ""):
        raise ValueError("a secret is written ${NAME} for a variable of the environment, or ${file:/PATH} for a file")
    return text


def has_refs(text: str) -> bool:
    """Whether a text names a secret."""
    return _REF.search(text) is not None


def is_ref(text: str) -> bool:
    """Whether a text is the name of a secret and nothing else."""
    return _REF.fullmatch(text) is not None


def refs(text: str) -> tuple[str, ...]:
    """The names in a text as they stand between the braces: ``ALCHEMY_KEY``, ``file:/run/secrets/key``."""
    return tuple(m[0][2:-1] for m in _REF.finditer(text))


def without_refs(text: str, instead: str) -> str:
    """The text with something else for every name: to look at the form of what is around them."""
    return _REF.sub(lambda _: instead, text)


def fill(text: str, value_of: Callable[[str], str]) -> str:
    """The text with the value of every name in its place. ``value_of``: gets a name as :func:`refs` returns it."""
    return _REF.sub(lambda m: value_of(m[0][2:-1]), text)


def host_and_port(text: str, address: str) -> str:
    """Host, and port where one is written, of an address, for logs and errors; ``***`` for a secret in it.

    Args:
        text: the address as it stands in the config. One that is a name and nothing else shows the host behind it.
        address: the same with its secrets.
    """
    parts = urlsplit(address if is_ref(text) else without_refs(text, _HIDDEN))
    host = parts.hostname or ""
    return host if parts.port is None else f"{host}:{parts.port}"


def hide(text: str, secrets: Mapping[str, str]) -> str:
    """What a server answered, without the secrets that it repeats: in any case, and with or without the signs of an address.

    Args:
        text: the answer.
        secrets: name -> value.
    """
    spellings = {s for v in secrets.values() for s in (v, unquote(v), unquote_plus(v), quote(v, safe=""), quote(v))}
    spellings |= {s.replace("/", "\\/") for s in spellings}  # as some write it in JSON
    long = sorted((s for s in spellings if len(s) >= _LEAST_HIDDEN), key=len, reverse=True)
    return re.sub("|".join(map(re.escape, long)), _HIDDEN, text, flags=re.IGNORECASE) if long else text
