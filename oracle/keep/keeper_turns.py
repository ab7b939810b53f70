"""Whose turn a duty is: the same order and stages as of pushes, among the operators that say that they keep.

Operators are the members of the set in force and its candidates. Places are drawn for each duty by what it is, so that all who keep have the same order and gas costs each the same. Who has its
turn and does nothing is waited for a stage; so is a call that was announced. A process that is no operator, such as a watch alone, lets
all have their turn first; of several of them each draws how much longer it waits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from eth_hash.auto import keccak

from feeds.units import MS
from oracle.agree.leaders import draw
from oracle.agree.wire import BesideWord, KeepingWord
from oracle.push.stages import Claim, StagePace, next_turn_ms

_HERE = bytes(32)
_HASH = 32
_TELL_MS, _GONE_MS = 60_000, 200_000
"""Who keeps says so once a minute; who has not said so three times in a row has no place."""
_MOST_CLAIMS = 2_000
_STRANGERS = 4
MOST_STAGES = 12
"""So many at most does a process wait that is no operator, before its own turn."""


class KeepingPeers(Protocol):
    """Operators of other processes at one store."""

    def tell(self, round_time_s: int, word: BesideWord) -> None:
        """Tell them all; a round of 0 stands for none."""

    def listen(self, heard: Callable[[bytes, int, BesideWord], None]) -> object:
        """Have what they tell handed on: sender, round_time and word."""


class KeeperTurns:
    """The turns at one system of stake.

    Args:
        me: report address of the operator here; None for a process without one.
        peers: the others; None where nobody is reached.
        payer: address of the gas key.
        stage_s: a silent one is waited for so long, and a call that was announced.
        now_ms: the clock.
        listen_s: at first the others are only listened to, for longer than each takes to say that it is there.
    """

    def __init__(
        self,
        me: bytes | None,
        peers: KeepingPeers | None,
        *,
        payer: bytes = b"",
        stage_s: int,
        now_ms: Callable[[], int],
        listen_s: int = 75,
    ) -> None:
        self._me, self._peers, self._payer, self._now_ms = me, peers, payer, now_ms
        self._pace = StagePace(silent_ms=stage_s * MS, announced_ms=stage_s * MS)
        self._here_ms: dict[bytes, int] = {}
        self._claims: dict[bytes, dict[bytes, int]] = {}
        """By place of a duty: who announced a call for it, and when that was heard first."""
        self._told_ms: int | None = None
        self._listen_ms = listen_s * MS if peers is not None else 0
        self._began_ms: int | None = None
        self._operators: frozenset[bytes] = frozenset()
        if peers is not None:
            peers.listen(self.hear)

    def hear(self, sender: bytes, _round_time_s: int, word: BesideWord) -> None:
        """Another operator keeps, or has just sent a call. Who is no operator counts for nothing."""
        if not isinstance(word, KeepingWord) or sender not in self._operators or sender == self._me:
            return
        self._here_ms[sender] = self._now_ms()
        if word.place != _HERE and len(word.place) == _HASH:
            self._claim(word.place, sender)

    def _claim(self, place: bytes, by: bytes) -> None:
        while len(self._claims) >= _MOST_CLAIMS:
            del self._claims[next(iter(self._claims))]
        self._claims.setdefault(place, {}).setdefault(by, self._now_ms())

    def note_operators(self, keys: Collection[bytes]) -> None:
        """Report keys of the set in force and of its candidates: nobody else has a place."""
        self._operators = frozenset(keys)
        self._began_ms = self._now_ms() if self._began_ms is None else self._began_ms

    def say_here(self) -> None:
        """Once a minute: this process keeps."""
        now_ms = self._now_ms()
        if (
            self._peers is not None
            and self._me in self._operators
            and (self._told_ms is None or now_ms >= self._told_ms + _TELL_MS)
        ):
            self._told_ms = now_ms
            self._peers.tell(0, KeepingWord(_HERE, _HERE))

    def announce(self, place: bytes, tx_hash: str) -> None:
        """A call was sent from here."""
        if self._me is not None and self._me in self._operators:
            self._claim(place, self._me)
            if self._peers is not None:
                self._peers.tell(0, KeepingWord(place, bytes.fromhex(tx_hash.removeprefix("0x"))))

    def order(self, place: bytes) -> tuple[bytes, ...]:
        """Operators that keep, this one among them, in the order of their places."""
        now_ms = self._now_ms()
        live = {a for a, at in self._here_ms.items() if now_ms - at < _GONE_MS and a in self._operators}
        if self._me is not None and self._me in self._operators:
            live.add(self._me)
        return draw(place, dict.fromkeys(live, 1))

    def is_ours(self, place: bytes, since_s: int) -> bool:
        """Whether a duty may be done from here now. ``since_s``: when it became due, Unix s."""
        now_ms, began_ms = self._now_ms(), since_s * MS
        if self._began_ms is None or now_ms < self._began_ms + self._listen_ms:
            return False
        if self._me is None or self._me not in self._operators:
            stages = min(len(self._operators), MOST_STAGES) + keccak(place + self._payer)[0] % _STRANGERS
            return now_ms >= began_ms + self._pace.silent_ms * stages
        claims = [Claim(by=a, heard_ms=at) for a, at in self._claims.get(place, {}).items()]
        at_ms = next_turn_ms(self.order(place), self._me, min(began_ms, now_ms), claims, now_ms, self._pace)
        return at_ms is not None and at_ms <= now_ms
