"""PriceStore as a model in Python, written from docs/contracts.md and not from the Solidity: what a push does, or refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

LOW_32 = 2**32 - 1
PRICE = 2**88 - 1
OUT_OF_RANGE = 11 << 4 | 2


@dataclass(frozen=True)
class Limits:
    min_gap_s: int
    step_bps: int
    step_wait_s: int


@dataclass(frozen=True)
class Signers:
    epoch: int
    keys: tuple[int, ...]
    weights: tuple[int, ...]
    threshold: int
    strong: int


@dataclass(frozen=True)
class Waiting:
    market: int
    redemption: int
    since_s: int
    last_s: int
    inside_s: int


class Refused(Exception):
    """The name of the error."""


def prices(word: int) -> tuple[int, int]:
    return word >> 168, word >> 80 & PRICE


def near(old: tuple[int, int], new: tuple[int, int], step_bps: int) -> bool:
    pairs = zip(old, new, strict=True)
    return all(abs(b - a) * 10_000 <= a * step_bps for a, b in pairs)


@dataclass
class StoreModel:
    """What the store should hold. ``words`` are as `slotAt` answers them."""

    limits: Sequence[Limits]
    signers: Signers
    max_age_s: int
    delay_s: int
    overlap_s: int
    now: int
    words: dict[int, int] = field(default_factory=dict)
    has: dict[int, tuple[bool, bool]] = field(default_factory=dict)
    waiting: dict[int, Waiting] = field(default_factory=dict)
    paused: set[int] = field(default_factory=set)
    previous: Signers | None = None
    overlap_ends: int = 0
    following: tuple[Signers, int] | None = None

    def register(self, index: int, has: tuple[bool, bool]) -> None:
        self.has[index] = has
        self.words[index] = has[0] << 168 | has[1] << 80

    def pause(self, index: int) -> None:
        self.paused.add(index)
        self.words[index] = self.words[index] & ~(15 << 56) | 4 << 56

    def set_signers(self, new: Signers) -> None:
        self._start_if_due()
        self.following = new, self.now + self.delay_s
        if not self.delay_s:
            self._start_if_due()

    def _start_if_due(self) -> bool:
        if self.following is None or self.now < self.following[1]:
            return False
        self.previous, self.signers = self.signers, self.following[0]
        self.overlap_ends, self.following = self.now + self.overlap_s, None
        return True

    def push(self, batch: bytes, who: Sequence[int], valid: Sequence[bool], odd: int = 0) -> int:
        """Take a batch, or raise Refused and change nothing; how many items were written.

        Args:
            batch: as `push` takes it.
            who: index in the set of each signature, in order.
            valid: whether each is that signer's over this batch.
            odd: bytes of the signatures beyond a whole number of them.
        """
        if len(batch) <= 10 or len(batch) % 30 != 10 or odd:
            raise Refused("BadLength")
        epoch, round_time = int.from_bytes(batch[:6], "big"), int.from_bytes(batch[6:10], "big")
        if round_time + self.max_age_s < self.now:
            raise Refused("TooOld")
        if round_time > self.now + 30:
            raise Refused("TooFarAhead")
        signers, starts = self._of_epoch(epoch)
        weight, last = 0, -1
        for index, good in zip(who, valid, strict=True):
            if index <= last or index >= len(signers.keys) or not good:
                raise Refused("BadSignature")
            weight, last = weight + signers.weights[index], index
        if weight < signers.threshold:
            raise Refused("BelowThreshold")
        words, waiting = dict(self.words), dict(self.waiting)
        strong, written = weight >= signers.strong, 0
        for at in range(10, len(batch), 30):
            written += self._item(batch[at : at + 30], round_time, words, waiting, strong=strong)
        if not written:
            raise Refused("NothingNew")
        if starts:
            self._start_if_due()
        self.words, self.waiting = words, waiting
        return written

    def _of_epoch(self, epoch: int) -> tuple[Signers, bool]:
        if epoch == self.signers.epoch:
            return self.signers, False
        if self.following and epoch == self.following[0].epoch and self.now >= self.following[1]:
            return self.following[0], True
        if self.previous and epoch == self.previous.epoch and self.now < self.overlap_ends:
            return self.previous, False
        raise Refused("WrongEpoch")

    def _item(
        self, item: bytes, round_time: int, words: dict[int, int], waiting: dict[int, Waiting], *, strong: bool
    ) -> bool:
        """One item into the words; whether something was written."""
        index = int.from_bytes(item[:2], "big")
        if index not in words:
            raise Refused("UnknownIndex")
        old, fresh = words[index], int.from_bytes(item[2:], "big") << 32 | round_time
        old_time, status = old & LOW_32, fresh >> 56 & 15
        if round_time <= old_time or index in self.paused:
            return False
        if not 1 <= status <= 4:
            raise Refused("BadStatus")
        if tuple(bool(p) for p in prices(fresh)) != self.has[index]:
            raise Refused("WrongPresence")
        limits = self.limits[index >> 13]
        if not old_time:
            words[index] = fresh
            return True
        last = waiting.get(index)
        began = old_time - (last.inside_s if last is not None and last.last_s == old_time else 0)
        inside = round_time < began + limits.min_gap_s
        if inside and status <= old >> 56 & 15:
            return False
        if not strong and (inside or not near(prices(old), prices(fresh), limits.step_bps)):
            fresh = self._held(index, old, fresh, waiting, limits, round_time - began if inside else 0)
        words[index] = fresh
        return True

    @staticmethod
    def _held(index: int, old: int, fresh: int, waiting: dict[int, Waiting], limits: Limits, inside_s: int) -> int:
        round_time, old_time = fresh & LOW_32, old & LOW_32
        kept = waiting.get(index)
        stands = kept is not None and kept.last_s == old_time
        if kept is None or not stands or not near((kept.market, kept.redemption), prices(fresh), limits.step_bps):
            kept = Waiting(*prices(fresh), round_time, round_time, 0)
        elif not inside_s and round_time >= kept.since_s + limits.step_wait_s:
            return fresh
        waiting[index] = replace(kept, last_s=round_time, inside_s=inside_s)
        market, redemption = prices(old)
        status = fresh >> 56 & 255
        age = min(65_535, (old >> 40 & 65_535) + round_time - old_time) if market else 0
        return (
            market << 168
            | redemption << 80
            | max(old >> 64 & 65_535, fresh >> 64 & 65_535) << 64
            | (OUT_OF_RANGE if status & 15 == 1 else status) << 56
            | age << 40
            | max(old >> 32 & 255, fresh >> 32 & 255) << 32
            | round_time
        )
