"""Views and evidence as models in Python, written from docs/contracts.md and not from the Solidity."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

from eth_utils.crypto import keccak

from tests.contracts.store_words import LOW_32, PRICE, ModelRefused

WAD, BPS, PPM = 10**18, 10_000, 1_000_000
YEAR_S = 365 * 86_400
NONE, NO_DATA, HALT, STALE = range(4)


class Peek(NamedTuple):
    """What `peek` answers."""

    wad: int
    updated_at: int
    round_time: int
    status: int


NOTHING = Peek(0, 0, 0, 0)


# -------------------------------------------------------------------------------------------------------------- views


MARKET_HELD, REDEMPTION_HELD = 1 << 79, 1 << 78


def spread(word: int) -> int:
    """The spread of a word, below the two bits of what is held."""
    return word >> 64 & 0x3FFF if word & LOW_32 else 0


def feed(word: int, mode: int, now: int, true_at: tuple[int, int] = (0, 0)) -> Peek:
    """FeedView of a word: 0 market, 1 redemption, 2 the lower, 3 the higher; an absent price does not count.

    ``true_at``: when market and redemption were true, each looked at only where the word says that it is held.
    """
    if not word & LOW_32:
        return NOTHING
    both = word >> 168, word >> 80 & PRICE
    there = [p for p in both if p]
    wad = both[mode] if mode < 2 else (min, max)[mode - 2](there)
    round_time = word & LOW_32
    paid = true_at[0] if word & MARKET_HELD else round_time - (word >> 40 & 0xFFFF)
    owed = true_at[1] if word & REDEMPTION_HELD else round_time
    return Peek(wad, min((paid, owed, min(paid, owed), min(paid, owed))[mode], now), round_time, word >> 56 & 0xFF)


def worse(a: Peek, b: Peek) -> int:
    """The status byte of the worse, the first's of equals."""
    return b.status if b.status & 15 > a.status & 15 else a.status


def cross(a: Peek, b: Peek) -> Peek:
    if not (a.round_time and b.round_time):
        return NOTHING
    wad = floor(Fraction(a.wad) * b.wad / WAD)
    return Peek(wad, min(a.updated_at, b.updated_at), min(a.round_time, b.round_time), worse(a, b))


def cross_spread(a: int, b: int) -> int:
    return ceil(((1 + Fraction(a, BPS)) * (1 + Fraction(b, BPS)) - 1) * BPS)


@dataclass(frozen=True)
class Cap:
    """CappedFeedView's: the integer form of Aave's adapters."""

    wad: int
    since_s: int
    yearly_bps: int

    def most(self, now: int) -> int:
        growth = self.wad * self.yearly_bps * 10**6 // BPS // YEAR_S
        return self.wad + growth * (now - self.since_s) // 10**6

    def peek(self, word: int, now: int, true_at: tuple[int, int] = (0, 0)) -> Peek:
        plain = feed(word, 1, now, true_at)
        return plain._replace(wad=min(plain.wad, self.most(now)))


def way(status: int) -> int:
    """Where a ramp goes: up in depeg, not at all in halt, down otherwise."""
    return {3: 1, 4: 0}.get(status & 15, -1)


def moved(ppm: int, to: int, seconds: int, ramp_s: int) -> int:
    """A ramp after so many seconds of one way."""
    return min(PPM, max(0, ppm + to * (seconds * PPM // ramp_s)))


@dataclass
class Ramp:
    """ModeView 4's: what was noted last. At first it goes down from nothing."""

    ramp_s: int
    at: int
    ppm: int = 0
    way: int = -1

    def now(self, status: int, newest: int, now: int) -> int:
        """Another way than was noted counts from the newest round of any leg on; a halt only from the next poke on."""
        to = way(status)
        changed = now if to in {0, self.way} else max(self.at, min(newest, now))
        noted = moved(self.ppm, self.way, changed - self.at, self.ramp_s)
        return moved(noted, to, now - changed, self.ramp_s)

    def poke(self, status: int, newest: int, now: int) -> None:
        self.ppm, self.at, self.way = self.now(status, newest, now), now, way(status)


def mode(a: Peek, b: Peek, which: int, ramp: Ramp, newest: int, now: int) -> Peek:
    """ModeView of a market and a redemption view: 2 the lower, 3 the higher, 4 the redemption unless depeg.

    ``newest``: the newest roundTime of all that they are made of.
    """
    if not (a.wad and b.wad):
        return a if a.wad else b
    both = Peek(0, min(a.updated_at, b.updated_at), min(a.round_time, b.round_time), worse(a, b))
    if which < 4:
        return both._replace(wad=(min, max)[which - 2](a.wad, b.wad))
    ppm = ramp.now(both.status, newest, now)
    wad = floor(Fraction(a.wad * ppm + b.wad * (PPM - ppm), PPM))
    return both._replace(wad=wad, updated_at=both.updated_at if ppm else b.updated_at)


def trouble(seen: Peek, max_age_s: int, now: int) -> int:
    """Why a price is not to be used."""
    if not seen.wad:
        return NO_DATA
    if seen.status & 15 == 4:
        return HALT
    return STALE if seen.updated_at + max_age_s < now else NONE


def quotes(amount: int, price: Fraction, spread_bps: int) -> tuple[int, int, int]:
    """QuoteView of an amount at a price in units of quote for one unit of base: value, bid and ask."""
    value = floor(amount * price)
    bid = floor(value * max(Fraction(0), 1 - Fraction(spread_bps, BPS)))
    return value, bid, ceil((value + 1) * (1 + Fraction(spread_bps, BPS))) if amount else 0


# ----------------------------------------------------------------------------------------------------------- evidence


@dataclass(frozen=True)
class Word:
    """A batch or a certificate that somebody signed: the signer's address (None: nobody's) and what it says."""

    signer: str | None
    digest: bytes
    batch: bytes

    def item(self, index: int) -> bytes | None:
        parts = [self.batch[i : i + 30] for i in range(10, len(self.batch), 30)]
        return next((p for p in parts if p[:2] == index.to_bytes(2, "big")), None)


@dataclass
class EvidenceModel:
    """What penalties take as evidence, of operators that have weight in every epoch: by key whose it is.

    `prove` changes nothing when it raises Refused.
    """

    operators: dict[str, str]
    proven: dict[bytes, str] = field(default_factory=dict)

    def prove(self, a: Word, b: Word, index: int) -> bytes:
        for one in (a, b):
            if len(one.batch) <= 10 or len(one.batch) % 30 != 10:
                raise ModelRefused("BadBatch")
            if one.signer is None:
                raise ModelRefused("BadEvidence")
        known = [self.operators.get(str(one.signer)) for one in (a, b)]
        if known[0] is None or known[1] is None:
            raise ModelRefused("UnknownKey")
        if known[0] != known[1]:
            raise ModelRefused("TwoOperators")
        if a.batch[6:10] != b.batch[6:10] or len({a.item(index), b.item(index), None}) < 3:
            raise ModelRefused("NoContradiction")
        who = known[0]
        evidence = keccak(bytes.fromhex(who[2:]).rjust(32, b"\0") + b"".join(sorted((a.digest, b.digest))))
        if evidence in self.proven:
            raise ModelRefused("UsedEvidence")
        self.proven[evidence] = who
        return evidence
