"""The status of each target, for readiness, prices and metrics. Frozen values, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from feeds.units import MS, div_up
from oracle.model.unready import Unready

LOOK_MS = 30_000
"""A look at a chain that is older than this tells nothing about it any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerQuorum:
    """The weight of the operators here, what the store asks for, and which signers are missing, a sentence each."""

    weight: int
    threshold: int
    missing: tuple[str, ...]

    @property
    def reachable(self) -> bool:
        """Whether a push can be signed."""
        return self.weight >= self.threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedOnTarget:
    """A feed at a store.

    Attributes:
        feed: its name.
        heartbeat_s: longest time between pushes.
        round_time_s: of what the store holds; None: it has no price.
        late_at_s: when it becomes late.
        held: why it is not pushed.
        scheduled_s: the newest time of its cron expressions; None without any. ``scheduled``: the same for people.
        missed_at_s: from when on that time counts as missed; None once the store has a price from then or later.
    """

    feed: str
    heartbeat_s: int
    round_time_s: int | None
    late_at_s: int | None
    held: str = ""
    scheduled_s: int | None = None
    scheduled: str = ""
    missed_at_s: int | None = None

    def missed(self, now_ms: int) -> bool:
        """Whether the store should by now hold a price of the newest scheduled time or later, and does not."""
        return self.missed_at_s is not None and now_ms > self.missed_at_s * MS

    def late(self, now_ms: int) -> bool:
        """Whether the store should hold a newer round by now."""
        return self.late_at_s is None or now_ms > self.late_at_s * MS

    def age_s(self, now_ms: int) -> int | None:
        """Age of the round that the store holds, rounded up."""
        return None if self.round_time_s is None else div_up(max(0, now_ms - self.round_time_s * MS), MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetStatus:
    """The status of one target.

    Attributes:
        target: its name.
        sends: whether there is a gas key; without one nothing is expected of it.
        connected: whether the operators know their places in its signer set.
        looked_at_ms: when a look at its chain last came to its end; None: never.
        quorum: None while not connected.
        pending: pushes that may still land.
        pushes_left: how many pushes the gas key can pay for; None where that is not known.
        few_pushes: fewer than this give a warning.
        feeds: those that it is to hold.
        closed: environment variable that would open the gas key of the config; "" where the key is open, or the config names none.
    """

    target: str
    sends: bool
    connected: bool
    looked_at_ms: int | None
    quorum: SignerQuorum | None
    pushes_left: int | None
    few_pushes: int
    feeds: tuple[FeedOnTarget, ...]
    closed: str = ""
    pending: int = 0

    def faults(self, now_ms: int) -> Iterator[tuple[Unready, str]]:
        """What keeps this chain from having the prices that are here, a word and a sentence each."""
        if not self.connected:
            yield Unready.NOT_CONNECTED, f"target {self.target} is not connected"
        if self.looked_at_ms is None or now_ms - self.looked_at_ms > LOOK_MS:
            text = f"its chain was not seen {self._since(now_ms)}: look at its endpoints"
            yield Unready.CHAIN_UNSEEN, f"target {self.target}: {text}"
        if self.closed:
            yield Unready.GAS_KEY_CLOSED, f"target {self.target}: nothing is pushed: set {self.closed}"
        if not (self.sends and self.connected):
            return
        if self.quorum is not None and not self.quorum.reachable:
            yield Unready.NO_QUORUM, f"target {self.target}: {_short(self.quorum)}"
        if self.pushes_left == 0:
            yield Unready.NO_GAS, f"target {self.target}: its gas key cannot pay for a push: send it ether"
        for feed in self.feeds:
            if feed.late(now_ms):
                yield Unready.LATE_ON_CHAIN, f"target {self.target}: {_late(feed, now_ms)}"

    def warnings(self, now_ms: int) -> Iterator[str]:
        """What is not as it should be, though everything works, a sentence each."""
        if not self.sends:
            return
        if self.quorum is not None and self.quorum.reachable:
            for signer in self.quorum.missing:
                yield f"target {self.target}: {signer}"
        for feed in self.feeds:
            if self.connected and feed.missed(now_ms):
                yield f"target {self.target}: {_missed(feed)}"
        if self.pushes_left is not None and 0 < self.pushes_left < self.few_pushes:
            yield f"target {self.target}: its gas key pays for {self.pushes_left} more pushes: send it ether"

    def _since(self, now_ms: int) -> str:
        return "yet" if self.looked_at_ms is None else f"for {div_up(now_ms - self.looked_at_ms, MS)} s"


def _short(quorum: SignerQuorum) -> str:
    text = f"no quorum: those that sign have weight {quorum.weight}, a push needs {quorum.threshold}"
    return f"{text}; {'; '.join(quorum.missing)}" if quorum.missing else text


def _missed(feed: FeedOnTarget) -> str:
    text = f"{feed.feed} has no price on chain of {feed.scheduled} (cron) or later"
    return f"{text}: {feed.held}" if feed.held else f"{text}: no round since then has landed with a price of its own"


def _late(feed: FeedOnTarget, now_ms: int) -> str:
    age_s = feed.age_s(now_ms)
    text = f"{feed.feed} is not on chain yet" if age_s is None else f"{feed.feed} is {age_s} s old on chain"
    text += f", its heartbeat is {feed.heartbeat_s} s"
    return f"{text}: {feed.held}" if feed.held else text
