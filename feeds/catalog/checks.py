"""What a value of the catalogue must look like: addresses, decimal numbers, dates, words of an answer. Pure."""

from __future__ import annotations

import re

from feeds.chains.abi import address, checksummed, wad_of

_DATE = re.compile(r"20\d\d-[01]\d-[0-3]\d")
_MOST_DECIMALS = 36
_MOST_WORDS = 16


def exact(text: str) -> None:
    """ValueError unless the text is an address in its checksummed form (EIP-55)."""
    raw = address(text)
    if text != checksummed(raw):
        raise ValueError(f"{text} is not checksummed: write {checksummed(raw)}")


def check_decimal(key: str, text: str | None) -> None:
    """ValueError for a number that is written and not above 0."""
    if text is not None and wad_of(text) <= 0:
        raise ValueError(f"{key} = {text!r}: write a decimal number above 0")


def check_date(key: str, text: str) -> None:
    """ValueError unless the text is a date."""
    if not _DATE.fullmatch(text):
        raise ValueError(f"{key} = {text!r}: write a date such as 2026-02-24")


def check_dated(key: str, value: str | int | None, on: str | None) -> None:
    """ValueError for a measured value without its date, or a date alone."""
    if (value is None) != (on is None):
        raise ValueError(f"{key} and {key.removesuffix('_bps')}_on belong together: write both or none")
    if on is not None:
        check_date(f"{key.removesuffix('_bps')}_on", on)


def check_words(*places: int) -> None:
    """ValueError for a place that no answer has."""
    if not all(0 <= place < _MOST_WORDS for place in places):
        raise ValueError(f"word and over_word: write the number of the answer's word, 0 to {_MOST_WORDS - 1}")


def check_decimals(key: str, decimals: int) -> None:
    """ValueError for decimals that no token has."""
    if not 0 <= decimals <= _MOST_DECIMALS:
        raise ValueError(f"{key} = {decimals}: write the token's decimals, 0 to {_MOST_DECIMALS}")


def check_scale(scale: int) -> None:
    """ValueError for a power of ten that no answer has."""
    if not 0 <= scale <= _MOST_DECIMALS:
        raise ValueError(f"scale = {scale}: write the power of ten of the answer, 0 to {_MOST_DECIMALS}")
