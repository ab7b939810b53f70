"""The values of the secrets that addresses and headers name: read from the environment or a file when a request leaves."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from feeds.errors import LrtOracleError
from feeds.literal_secrets import literal_secrets
from feeds.secret_refs import fill, refs

_FILE = "file:"
_MOST_BYTES = 4_096


class SecretMissing(LrtOracleError, ValueError):
    """A secret that an address or a header names has no value: which, and where it is to be put."""


@dataclass(frozen=True, slots=True)
class FilledText:
    """A text with its secrets in it; its ``repr`` shows none.

    ``secrets``: name -> value of those that it names. ``literal``: of those that stood in it as they are.
    """

    text: str = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)
    literal: Mapping[str, str] = field(repr=False)

    @property
    def hidden(self) -> Mapping[str, str]:
        """All of them, to hide them in answers."""
        return {**self.literal, **self.secrets}


def filled(text: str, environ: Mapping[str, str] | None = None) -> FilledText:
    """A text with the value of every secret that it names.

    Args:
        text: an address, or the value of a header.
        environ: where variables are; None: the environment of the process.

    Raises:
        SecretMissing: a variable is not set, a file cannot be read, or what is there is no value.
    """
    names, literal = refs(text), literal_secrets(text)
    if not names:
        return FilledText(text, {}, literal)
    values = {name: _value(name, os.environ if environ is None else environ) for name in names}
    return FilledText(fill(text, values.__getitem__), values, literal)


def _value(name: str, environ: Mapping[str, str]) -> str:
    path = name.removeprefix(_FILE)
    value = _content(path) if path != name else environ.get(name)
    if value is None:
        raise SecretMissing(f"the environment variable {name} is not set: set it, or name another in the config")
    what = f"the file {path}" if path != name else f"the environment variable {name}"
    if not value:
        raise SecretMissing(f"{what} is empty: put the secret there")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise SecretMissing(f"{what} holds more than one word of plain characters: put only the secret there")
    return value


def _content(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as e:
        raise SecretMissing(f"the file {path} cannot be read ({e.strerror}): put the secret there") from None
    if len(raw) > _MOST_BYTES:
        raise SecretMissing(f"the file {path} is longer than {_MOST_BYTES} bytes: put only the secret there")
    return raw.decode("latin-1").strip()
