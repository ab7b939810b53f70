"""PriceStore as a model in Python, written from docs/contracts.md and ADR 4 and not from the Solidity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

LOW_32 = 2**32 - 1
PRICE = 2**88 - 1
MARKET, REDEMPTION = 0, 1
WATCH, HALT = 2, 4
OUT_OF_RANGE, STALE = 11, 2
STATUS_ONLY = 8
AHEAD_S = 30
SPREADS = 2**14
EVER = 2**39 - 1


@dataclass(frozen=True)
class Limits:
    min_gap_s: int
    step_bps: int
    step_wait_s: int


@dataclass(frozen=True)
class Signers:
    """A set of signers. ``since_s``: its first round time."""

    epoch: int
    keys: tuple[int, ...]
    weights: tuple[int, ...]
    threshold: int
    strong: int
    since_s: int = 0


@dataclass(frozen=True)
class Wait:
    """What was signed beyond the step, on one side, since a round."""

    price: int
    true_at: int
    since_s: int
    above: bool


@dataclass(frozen=True)
class Kept:
    """A price that the slot keeps: when it was true, and what waits to take its place."""

    true_at: int
    wait: Wait | None = None

    def word(self) -> int:
        if self.wait is None:
            return self.true_at
        w = self.wait
        return w.price << 168 | w.above << 167 | w.true_at << 64 | w.since_s << 32 | self.true_at


@dataclass(frozen=True)
class Gap:
    """An open gap: since when, and from which prices steps are measured in it."""

    opened_s: int
    anchors: tuple[int, int]


@dataclass(frozen=True)
class Token:
    """What the store knows of a token that has data. ``kept``: of each price that it holds."""

    prices: tuple[int, int]
    spread: int
    reason: int
    state: int
    market_age_s: int
    rate_age_h: int
    round_time: int
    kept: tuple[Kept | None, Kept | None] = (None, None)
    gap: Gap | None = None

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


class Refused(Exception):
    """The name of the error."""


def near(old: int, new: int, step_bps: int) -> bool:
    return abs(new - old) * 10_000 <= old * step_bps


@dataclass
class StoreModel:
    """What the store should hold. ``words`` are as `slotAt` answers them."""

    limits: Sequence[Limits]
    signers: Signers
    max_age_s: int
    delay_s: int
    overlap_s: int
    now: int
    tokens: dict[int, Token] = field(default_factory=dict)
    has: dict[int, tuple[bool, bool]] = field(default_factory=dict)
    halted: set[int] = field(default_factory=set)
    paused: set[int] = field(default_factory=set)
    previous: tuple[Signers, int, int] | None = None
    """The set before, when it ended, until when its rounds are taken."""
    following: Signers | None = None
    comes: bool = False
    emergency: bool = False
    set_owner: str = ""

    # --- tokens --------------------------------------------------------------------------------------------------

    def register(self, index: int, has: tuple[bool, bool]) -> None:
        self.has[index] = has

    def pause(self, index: int) -> None:
        self.paused.add(index)
        if index in self.tokens:
            self.tokens[index] = replace(self.tokens[index], state=HALT)
        else:
            self.halted.add(index)

    def resume(self, index: int) -> None:
        """What waited before the pause begins anew."""
        if index in self.paused and index in self.tokens:
            kept = [k and replace(k, wait=None) for k in self.tokens[index].kept]
            self.tokens[index] = replace(self.tokens[index], kept=(kept[0], kept[1]))
        self.paused.discard(index)

    def word(self, index: int) -> int:
        """As `slotAt` answers it."""
        if index in self.tokens:
            return self.tokens[index].word()
        has = self.has.get(index, (False, False))
        return has[0] << 168 | has[1] << 80 | (HALT << 56 if index in self.halted else 0)

    @property
    def words(self) -> dict[int, int]:
        return {index: self.word(index) for index in self.has}

    def held(self, index: int, which: int) -> int:
        """As `heldAt` answers it."""
        token = self.tokens.get(index)
        kept = token.kept[which] if token else None
        return kept.word() if kept else 0

    # --- signers -------------------------------------------------------------------------------------------------

    def set_signers(self, new: Signers, *, emergency: bool = False) -> None:
        """Say who comes next; nobody is forgotten whose time has come."""
        self.move_on()
        self.following = replace(new, since_s=self.now + self.delay_s)
        self.emergency, self.comes = emergency, emergency or not self.delay_s
        self.move_on()

    def arm(self, who: Sequence[int], valid: Sequence[bool]) -> None:
        if self.following is None or self.comes or self.now + AHEAD_S >= self.following.since_s:
            raise Refused("NothingToArm")
        self._weight(self.following, who, valid)
        self.comes = True

    def remove(self, epoch: int, indexes: Sequence[int]) -> None:
        self.move_on()
        places = {self.signers.epoch: "signers"}
        if self.previous is not None:
            places[self.previous[0].epoch] = "previous"
        if self.following is not None:
            places[self.following.epoch] = "following"
        place = places.get(epoch)
        if place is None:
            raise Refused("WrongEpoch")
        disarms = place == "following" and self.comes and not self.emergency and bool(indexes)
        found = getattr(self, place)
        reduced = self._without(found[0] if place == "previous" else found, indexes)
        if disarms and self.now + AHEAD_S >= found.since_s:
            raise Refused("TooLate")
        if disarms:
            self.comes = False
        setattr(self, place, (reduced, *found[1:]) if place == "previous" else reduced)

    @staticmethod
    def _without(one: Signers, indexes: Sequence[int]) -> Signers:
        weights = list(one.weights)
        for index in indexes:
            if index >= len(weights) or not weights[index]:
                raise Refused("BadSigner")
            weights[index] = 0
        if sum(weights) < one.threshold:
            raise Refused("BadThreshold")
        return replace(one, weights=tuple(weights))

    def move_on(self) -> None:
        """What time has done. It changes no answer: everything is asked through here."""
        if self.following is None or not self.comes or self.now < self.following.since_s:
            return
        ends = self.following.since_s
        self.previous = self.signers, ends, ends + (0 if self.emergency else self.overlap_s)
        self.signers, self.following, self.comes, self.emergency = self.following, None, False, False

    def coming(self) -> tuple[int, int]:
        """As `nextSigners` answers it."""
        self.move_on()
        one = self.following
        return (one.epoch, one.since_s) if one is not None and self.now < one.since_s else (0, 0)

    def _of_epoch(self, epoch: int, round_time: int) -> Signers:
        """The set in force at the round's time, if the epoch is its and it is still taken."""
        self.move_on()
        ends = self.following.since_s if self.following is not None and self.comes else EVER
        if epoch == self.signers.epoch and round_time < ends:
            return self.signers
        if self.previous is not None:
            one, ended, until = self.previous
            if epoch == one.epoch and round_time < ended and self.now < until:
                return one
        raise Refused("WrongEpoch")

    @staticmethod
    def _weight(signers: Signers, who: Sequence[int], valid: Sequence[bool]) -> int:
        weight, last = 0, -1
        for index, good in zip(who, valid, strict=True):
            if index <= last or index >= len(signers.keys) or not good:
                raise Refused("BadSignature")
            weight, last = weight + signers.weights[index], index
        if weight < signers.threshold:
            raise Refused("BelowThreshold")
        return weight

    # --- pushes --------------------------------------------------------------------------------------------------

    def push(self, batch: bytes, who: Sequence[int], valid: Sequence[bool], odd: int = 0) -> int:
        """Take a batch, or raise Refused and change nothing; how many items were written.

        Args:
            batch: as `push` takes it.
            who: index in the set of each signature, in order.
            valid: whether each is that signer's over this batch.
            odd: bytes of the signatures beyond a whole number of them.
        """
        if len(batch) <= 10 or len(batch) % 30 != 10:
            raise Refused("BadLength")
        if who and who[0] == 255:
            raise Refused("UnknownKind")
        if odd:
            raise Refused("BadLength")
        epoch, round_time = int.from_bytes(batch[:6], "big"), int.from_bytes(batch[6:10], "big")
        if round_time + self.max_age_s < self.now:
            raise Refused("TooOld")
        if round_time > self.now + AHEAD_S:
            raise Refused("TooFarAhead")
        signers = self._of_epoch(epoch, round_time)
        weight = self._weight(signers, who, valid)
        if round_time < signers.since_s:
            raise Refused("WrongEpoch")
        tokens, written = dict(self.tokens), 0
        for at in range(10, len(batch), 30):
            written += self._item(read_item(batch[at : at + 30]), round_time, tokens, strong=weight >= signers.strong)
        if not written:
            raise Refused("NothingNew")
        self.tokens = tokens
        return written

    def _item(self, item: Item, round_time: int, tokens: dict[int, Token], *, strong: bool) -> bool:
        """One item into the tokens; whether something was written."""
        if item.index not in self.has:
            raise Refused("UnknownIndex")
        old = tokens.get(item.index)
        if round_time < (old.round_time if old else 1) or item.index in self.paused:
            return False
        again = old is not None and round_time == old.round_time
        if old is not None and again and not (strong and any(old.kept)):
            return False
        if not 1 <= item.state <= HALT:
            raise Refused("BadStatus")
        if item.spread >= SPREADS:
            raise Refused("BadSpread")
        if tuple(bool(p) for p in item.prices) != self.has[item.index]:
            raise Refused("WrongPresence")
        limits = self.limits[item.index >> 13]
        if old is None:
            if not item.only:
                tokens[item.index] = self._new(item, round_time, limits)
            return not item.only
        new = once_more(old, item, limits) if again else after(old, item, round_time, limits, strong=strong)
        if new is not None:
            tokens[item.index] = new
        return new is not None

    @staticmethod
    def _new(item: Item, round_time: int, limits: Limits) -> Token:
        gap = Gap(round_time, item.prices) if limits.min_gap_s else None
        fields = item.spread, item.reason, item.state, item.market_age_s, item.rate_age_h
        return Token(item.prices, *fields, round_time, gap=gap)


def after(old: Token, item: Item, round_time: int, limits: Limits, *, strong: bool) -> Token | None:
    """The token after an item that is newer; None if the item waits as a whole."""
    gap = old.gap if old.gap is not None and round_time < old.gap.opened_s + limits.min_gap_s else None
    asked = status_of(old, item, inside=gap is not None)
    if asked is None:
        return None
    reason, state = asked
    anchors = gap.anchors if gap is not None else old.prices
    parts = [one_price(old, item, round_time, limits, w, anchors[w], strong=strong) for w in (MARKET, REDEMPTION)]
    prices, kept = (parts[0].price, parts[1].price), (parts[0].kept, parts[1].kept)
    if any(k is not None and k.wait is not None for k in kept) and state < WATCH:
        reason, state = OUT_OF_RANGE, WATCH
    if gap is not None:
        new_gap: Gap | None = replace(gap, anchors=(parts[0].anchor, parts[1].anchor))
    else:
        took = any(p and k is None for p, k in zip(prices, kept, strict=True))
        new_gap = Gap(round_time, prices) if took else None
    held_market, held_rate = kept[0] is not None, kept[1] is not None
    return Token(
        prices,
        max(old.spread, item.spread) if held_market else item.spread,
        reason,
        state,
        min(65_535, round_time - kept[0].true_at) if kept[0] is not None else item.market_age_s,
        max(old.rate_age_h, item.rate_age_h) if held_rate else item.rate_age_h,
        round_time,
        kept,
        new_gap,
    )


def status_of(old: Token, item: Item, *, inside: bool) -> tuple[int, int] | None:
    """Reason and state that an item asks for: ok of what nobody looked at is stale; a better one waits in a gap."""
    reason, state = (STALE, WATCH) if item.only and item.state < WATCH else (item.reason, item.state)
    if not inside or state >= old.state:
        return reason, state
    return None if old.state == HALT else (old.reason, old.state)


def once_more(old: Token, item: Item, limits: Limits) -> Token | None:
    """The token after an item of its own round by the step threshold's weight: it lands what waits and is looked at."""
    lands = [
        kept is not None
        and kept.wait is not None
        and not (item.only and (w == MARKET or item.prices[w] >= old.prices[w]))
        for w, kept in enumerate(old.kept)
    ]
    gap = (
        old.gap
        if old.gap is not None and old.gap.opened_s < old.round_time < old.gap.opened_s + limits.min_gap_s
        else None
    )
    asked = status_of(old, item, inside=gap is not None)
    if asked is None or not any(lands):
        return None
    reason, state = asked
    prices = [item.prices[w] if lands[w] else old.prices[w] for w in (MARKET, REDEMPTION)]
    kept = [None if lands[w] else old.kept[w] for w in (MARKET, REDEMPTION)]
    if any(k is not None and k.wait is not None for k in kept) and state < WATCH:
        reason, state = OUT_OF_RANGE, WATCH
    anchors = [item.prices[w] if lands[w] else gap.anchors[w] for w in (MARKET, REDEMPTION)] if gap else prices
    takes_market = lands[MARKET] or not old.prices[MARKET]
    takes_rate = lands[REDEMPTION] or not old.prices[REDEMPTION]
    return Token(
        (prices[0], prices[1]),
        item.spread if takes_market else old.spread,
        reason,
        state,
        item.market_age_s if takes_market else old.market_age_s,
        item.rate_age_h if takes_rate else old.rate_age_h,
        old.round_time,
        (kept[0], kept[1]),
        Gap(gap.opened_s if gap else old.round_time, (anchors[0], anchors[1])),
    )


class Part(NamedTuple):
    """What becomes of one price: the one that stands, whether it is kept, from where steps count in the open gap."""

    price: int
    kept: Kept | None
    anchor: int


def one_price(
    old: Token, item: Item, round_time: int, limits: Limits, which: int, anchor: int, *, strong: bool
) -> Part:
    stands, signed, kept = old.prices[which], item.prices[which], old.kept[which]
    if not stands:
        return Part(0, None, 0)
    true_at, wait = old.true_at(which), kept.wait if kept else None
    if item.only and (which == MARKET or signed >= stands):
        return Part(stands, Kept(true_at, wait), anchor)
    if near(anchor, signed, limits.step_bps):
        return Part(signed, None, anchor)
    if strong:
        return Part(signed, None, signed)
    signed_at = max(0, round_time - item.market_age_s) if which == MARKET else round_time
    fresh = Wait(signed, signed_at, round_time, signed > stands)
    if wait is None or wait.above != fresh.above:
        return Part(stands, Kept(true_at, fresh), anchor)
    if abs(signed - stands) <= abs(wait.price - stands):
        wait = replace(wait, price=signed, true_at=signed_at)
    if round_time < wait.since_s + limits.step_wait_s:
        return Part(stands, Kept(true_at, wait), anchor)
    if near(wait.price, signed, limits.step_bps):
        return Part(signed, None, wait.price)
    return Part(wait.price, Kept(wait.true_at, replace(fresh, above=signed > wait.price)), wait.price)
