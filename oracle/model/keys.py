"""What is declared of a key of the config beside its field: sentence, bounds, and what it follows from when it is left out.

The parser, ``docs/config.md``, the endpoint's schemas and the texts of ``check`` all read it from here; the name and its
unit (``_bps``, ``_s``, ``_percent`` ...), the type and the default are the field's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field
from typing import Any, TypeVar, cast

T = TypeVar("T")
_KEY = "key"
_LONG = 1 << 53


@dataclass(frozen=True, slots=True)
class Follows:
    """A default that follows from other keys.

    Attributes:
        words: the default as ``docs/config.md`` states it.
        value: the default, from the keys above it in its own table and in the tables around that.
    """

    words: str
    value: Callable[[Mapping[str, Any]], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """The declaration of one key.

    Attributes:
        says: what it means, in one sentence without its full stop.
        least, most: bounds of a number, or of each number in a list or a table; None: no bound.
        floor: a smaller value counts as this one.
        follows: the default, where it follows from other keys.
        beside: the key that must be written too.
        form: reads a text, or each text in a list; its ValueError says what is wrong.
        wad: the file has a decimal text, the record that number times 1e18.
        settable: whether the file may have it; else it is fixed by the rules.
        shown: the default as ``docs/config.md`` states it, where the field's own says too little.
        see: a link that ``docs/config.md`` adds.
    """

    says: str
    least: int | None = None
    most: int | None = None
    floor: int | None = None
    follows: Follows | None = None
    beside: str | None = None
    form: Callable[[str], object] | None = None
    wad: bool = False
    settable: bool = True
    shown: str | None = None
    see: str | None = None

    @property
    def range(self) -> str | None:
        """The bounds in words; None where there are none."""
        least, most = _number(self.least), _number(self.most)
        if least is None:
            return most and f"at most {most}"
        return f"{least} or more" if most is None else f"{least} to {most}"

    def holds(self, number: int) -> bool:
        """Whether a number lies within the bounds."""
        return (self.least is None or self.least <= number) and (self.most is None or number <= self.most)


def _number(value: int | None) -> str | None:
    """A bound as people read it; a long one is one less than a power of two."""
    if value is None:
        return None
    return str(value) if value < _LONG else f"2^{value.bit_length()} - 1"


def key(default: T, says: str, **declared: Any) -> T:
    """A key with a default: its field, with everything that :class:`Key` has on it."""
    about = {_KEY: Key(says=says, **declared)}
    if isinstance(default, dict):
        return cast("T", field(default_factory=lambda: dict(default), metadata=about))
    return field(default=default, metadata=about)


def required(says: str, **declared: Any) -> Mapping[str, Key]:
    """The metadata of a key that has no default of its own: ``field(metadata=required(...))``."""
    return {_KEY: Key(says=says, **declared)}


def key_of(declared: Field[Any]) -> Key | None:
    """The declaration of a record's field; None where it has none: a table of its own, or no part of the file."""
    return cast("Key | None", declared.metadata.get(_KEY))
