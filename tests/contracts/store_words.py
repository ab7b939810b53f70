"""What PriceStore keeps of tokens and signers, as records of the model, and their words in storage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

LOW_32 = 2**32 - 1
EVER = 2**256 - 1
PRICE = 2**88 - 1
MARKET, REDEMPTION = 0, 1
WATCH, HALT = 2, 4
STATUS_ONLY = 8


@dataclass(frozen=True)
class Limits:
    min_gap_s: int
    step_bps: int
    step_wait_s: int


@dataclass(frozen=True)
class Signers:
    """A set of signers. ``since_s``: its first round time; ``expires_s``: the first that it may not sign any more."""

    epoch: int
    keys: tuple[int, ...]
    weights: tuple[int, ...]
    threshold: int
    strong: int
    since_s: int = 0
    expires_s: int = EVER


@dataclass(frozen=True)
class Wait:
    """What was signed beyond the step, on one side, since a round."""

    price: int
    true_at: int
    since_s: int
    above: bool


@dataclass(frozen=True)
class ModelHold:
    """A price that the slot keeps: when it was true, and what waits to take its place."""

    true_at: int
    wait: Wait | None = None

    def word(self) -> int:
        if self.wait is None:
            return self.true_at
        w = self.wait
        return w.price << 168 | w.above << 167 | w.true_at << 64 | w.since_s << 32 | self.true_at


@dataclass(frozen=True)
class ModelGap:
    """An open gap: since when, and from which prices steps are measured in it."""

    opened_s: int
    anchors: tuple[int, int]


@dataclass(frozen=True)
class ModelToken:
    """What the store knows of a token that has data. ``kept``: of each price that it holds."""

    prices: tuple[int, int]
    spread: int
    reason: int
    state: int
    market_age_s: int
    rate_age_h: int
    round_time: int
    kept: tuple[ModelHold | None, ModelHold | None] = (None, None)
    gap: ModelGap | None = None

    def word(self) -> int:
        held = sum(1 << 79 - i for i, k in enumerate(self.kept) if k)
        status = self.reason << 4 | self.state
        prices = self.prices[0] << 168 | self.prices[1] << 80
        return (
            prices | held | self.spread << 64 | status << 56 | self.market_age_s << 40 | self.rate_age_h << 32
        ) | self.round_time

    def true_at(self, which: int) -> int:
        kept = self.kept[which]
        if kept is not None:
            return kept.true_at
        return max(0, self.round_time - self.market_age_s) if which == MARKET else self.round_time


class Item(NamedTuple):
    """An item of a batch, read."""

    index: int
    prices: tuple[int, int]
    spread: int
    reason: int
    only: bool
    state: int
    market_age_s: int
    rate_age_h: int


def read_item(raw: bytes) -> Item:
    market, rate = (int.from_bytes(raw[a : a + 11], "big") for a in (2, 13))
    spread, status, age = int.from_bytes(raw[24:26], "big"), raw[26], int.from_bytes(raw[27:29], "big")
    only = bool(status & STATUS_ONLY) or status & 7 == HALT
    return Item(
        int.from_bytes(raw[:2], "big"), (market, rate), spread, status >> 4, only, status & 7, age, raw[29]
    )  # fmt: skip


class ModelRefused(Exception):
    """The name of the error."""
