"""Secrets of a config, as the log, the output of commands and the answers of the endpoint must not show them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from feeds.literal_secrets import literal_secrets
from feeds.secret_refs import refs
from feeds.secret_values import SecretMissing, filled
from oracle.runtime.logs import hide_in_answers, hide_in_log

if TYPE_CHECKING:
    from oracle.config.sections import Config


def hide_secrets(config: Config, environ: Mapping[str, str]) -> None:
    """No line of the log and nothing that is printed or served shows a secret of a config, as far as each may be one there."""
    hide_in_log(_named(config, environ))
    hide_in_answers(_in_addresses(config, environ))


def _in_addresses(config: Config, environ: Mapping[str, str]) -> Iterator[str]:
    """What is secret in addresses and headers, whether it is named or stands there."""
    for _, text in _texts(config):
        yield from literal_secrets(text).values()
        with suppress(SecretMissing):
            yield from filled(text, environ).secrets.values()


def _named(config: Any, environ: Mapping[str, str]) -> Iterator[str]:
    """The values of all secrets that a config names: in addresses and headers, and as passphrases."""
    from oracle.sign.keyfiles import KeyfileError, passphrase_of

    for name, text in _texts(config):
        for ref in refs(text):
            with suppress(SecretMissing):
                yield filled(f"${{{ref}}}", environ).text
        if name.endswith("_env"):
            with suppress(KeyfileError):
                yield passphrase_of(text, environ) or ""


def _texts(part: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """All texts of a config, each with the name of its key."""
    if isinstance(part, str):
        yield name, part
    elif is_dataclass(part):
        for field in fields(part):
            if field.name != "catalog":
                yield from _texts(getattr(part, field.name), field.name)
    elif isinstance(part, Mapping | tuple | list):
        for value in part.values() if isinstance(part, Mapping) else part:
            yield from _texts(value, name)
