"""PriceStore as a model in Python, written from docs/contracts.md and ADR 4 and not from the Solidity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tests.contracts.store_words import (
    EVER,
    HALT,
    Item,
    Limits,
    ModelGap,
    ModelRefused,
    ModelToken,
    Signers,
    read_item,
)
from tests.contracts.store_writes import after, once_more

AHEAD_S = 30
SPREADS = 2**14


@dataclass
class StoreModel:
    """What the store should hold. ``words`` are as `slotAt` answers them."""

    limits: Sequence[Limits]
    signers: Signers
    max_age_s: int
    delay_s: int
    overlap_s: int
    now: int
    longest_s: int = 0
    tokens: dict[int, ModelToken] = field(default_factory=dict)
    has: dict[int, tuple[bool, bool]] = field(default_factory=dict)
    halted: set[int] = field(default_factory=set)
    paused: set[int] = field(default_factory=set)
    previous: tuple[Signers, int, int] | None = None
    """The set before, when it ended, until when its rounds are taken."""
    following: Signers | None = None
    comes: bool = False
    emergency: bool = False
    set_owner: str = ""
    met: list[tuple[bytes, ModelToken, bool]] = field(default_factory=list)
    """Of the newest push: each item, the token after it, whether it wrote. A batch may hold a token twice."""

    def __post_init__(self) -> None:
        self.signers = self._begins(self.signers, self.now, 0)

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
        begins_s = self.now + self.delay_s
        self.following = self._begins(new, begins_s, begins_s)
        self.emergency, self.comes = emergency, emergency or not self.delay_s
        self.move_on()

    def _begins(self, one: Signers, at_s: int, since_s: int) -> Signers:
        return replace(one, since_s=since_s, expires_s=at_s + self.longest_s if self.longest_s else EVER)

    def arm(self, who: Sequence[int], valid: Sequence[bool]) -> None:
        if self.following is None or self.comes or self.now + AHEAD_S >= self.following.since_s:
            raise ModelRefused("NothingToArm")
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
            raise ModelRefused("WrongEpoch")
        disarms = place == "following" and self.comes and not self.emergency and bool(indexes)
        found = getattr(self, place)
        reduced = self._without(found[0] if place == "previous" else found, indexes)
        if disarms and self.now + AHEAD_S >= found.since_s:
            raise ModelRefused("TooLate")
        if disarms:
            self.comes = False
        setattr(self, place, (reduced, *found[1:]) if place == "previous" else reduced)

    @staticmethod
    def _without(one: Signers, indexes: Sequence[int]) -> Signers:
        weights = list(one.weights)
        for index in indexes:
            if index >= len(weights) or not weights[index]:
                raise ModelRefused("BadSigner")
            weights[index] = 0
        if sum(weights) < one.threshold:
            raise ModelRefused("BadThreshold")
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
        raise ModelRefused("WrongEpoch")

    @staticmethod
    def _check_time(signers: Signers, round_time: int) -> None:
        if round_time < signers.since_s:
            raise ModelRefused("WrongEpoch")
        if round_time >= signers.expires_s:
            raise ModelRefused("Expired")

    @staticmethod
    def _weight(signers: Signers, who: Sequence[int], valid: Sequence[bool]) -> int:
        weight, last = 0, -1
        for index, good in zip(who, valid, strict=True):
            if index <= last or index >= len(signers.keys) or not good:
                raise ModelRefused("BadSignature")
            weight, last = weight + signers.weights[index], index
        if weight < signers.threshold:
            raise ModelRefused("BelowThreshold")
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
            raise ModelRefused("BadLength")
        if who and who[0] == 255:
            raise ModelRefused("UnknownKind")
        if odd:
            raise ModelRefused("BadLength")
        epoch, round_time = int.from_bytes(batch[:6], "big"), int.from_bytes(batch[6:10], "big")
        if round_time + self.max_age_s < self.now:
            raise ModelRefused("TooOld")
        if round_time > self.now + AHEAD_S:
            raise ModelRefused("TooFarAhead")
        signers = self._of_epoch(epoch, round_time)
        weight = self._weight(signers, who, valid)
        self._check_time(signers, round_time)
        tokens, met = dict(self.tokens), []
        for one in (batch[at : at + 30] for at in range(10, len(batch), 30)):
            item = read_item(one)
            wrote = self._item(item, round_time, tokens, strong=weight >= signers.strong)
            if item.index in tokens:
                met.append((one, tokens[item.index], wrote))
        written = sum(wrote for *_, wrote in met)
        if not written:
            raise ModelRefused("NothingNew")
        self.tokens, self.met = tokens, met
        return written

    def _item(self, item: Item, round_time: int, tokens: dict[int, ModelToken], *, strong: bool) -> bool:
        """One item into the tokens; whether something was written."""
        if item.index not in self.has:
            raise ModelRefused("UnknownIndex")
        old = tokens.get(item.index)
        if round_time < (old.round_time if old else 1) or item.index in self.paused:
            return False
        again = old is not None and round_time == old.round_time
        if old is not None and again and not (strong and any(old.kept)):
            return False
        if not 1 <= item.state <= HALT:
            raise ModelRefused("BadStatus")
        if item.spread >= SPREADS:
            raise ModelRefused("BadSpread")
        if tuple(bool(p) for p in item.prices) != self.has[item.index]:
            raise ModelRefused("WrongPresence")
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
    def _new(item: Item, round_time: int, limits: Limits) -> ModelToken:
        gap = ModelGap(round_time, item.prices) if limits.min_gap_s else None
        fields = item.spread, item.reason, item.state, item.market_age_s, item.rate_age_h
        return ModelToken(item.prices, *fields, round_time, gap=gap)
