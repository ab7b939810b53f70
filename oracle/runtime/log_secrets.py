"""No line of the log holds a secret: known values are taken out of it, and whatever looks like a key in an address."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from feeds.literal_secrets import KEY_LIKE, SECRET_PARAMETER
from feeds.secret_refs import hide

_HIDDEN = "***"
_SECRET_NAME = re.compile(r"(PASSPHRASE|PASSWORD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|_KEY|_PIN)$", re.IGNORECASE)
_IN_ADDRESS = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]{1,20}://)(?P<user>[^\s/@\"'\\<>]+@)?(?P<rest>[^\s\"'\\<>]*)", re.IGNORECASE
)
_LONG_PART = re.compile(rf"(?<=/){KEY_LIKE}(?=[/?#,;)\]}}]|$)")
_PARAMETER = re.compile(rf"(?P<name>[?&;][^=&\s]*(?:{SECRET_PARAMETER})[^=&\s]*=)[^&#\s\"'\\]+", re.IGNORECASE)
_CREDENTIALS = re.compile(r"\b(?P<kind>Basic|Bearer|Digest) +[A-Za-z0-9+/=._~-]{6,}")


def secret_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of an environment whose names say that they hold a secret."""
    return {name: value for name, value in environ.items() if _SECRET_NAME.search(name)}


class SecretFilter:
    """Takes secrets out of a line."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def learn(self, values: Iterable[str]) -> None:
        """From now on these are hidden too, however they are written: plain, as in an address, as in JSON."""
        for value in values:
            if not value:
                continue
            for spelled in (
                value,
                json.dumps(value)[1:-1],
                json.dumps(value, ensure_ascii=False)[1:-1],
                repr(value)[1:-1],
            ):
                self._known[spelled] = spelled

    def known(self, value: Any) -> Any:
        """A document without the values that were learned: its texts alone, whatever they look like."""
        if isinstance(value, str):
            return hide(value, self._known)
        if isinstance(value, Mapping):
            return {k: self.known(v) for k, v in value.items()}
        return [self.known(v) for v in value] if isinstance(value, list | tuple) else value

    def clean(self, line: str) -> str:
        """The line without secrets."""
        line = hide(line, self._known)
        line = _CREDENTIALS.sub(rf"\g<kind> {_HIDDEN}", line)
        return _IN_ADDRESS.sub(_clean_address, line) if "://" in line else line


def _clean_address(found: re.Match[str]) -> str:
    user = f"{_HIDDEN}@" if found["user"] else ""
    rest = _PARAMETER.sub(rf"\g<name>{_HIDDEN}", _LONG_PART.sub(_HIDDEN, found["rest"]))
    return f"{found['scheme']}{user}{rest}"
