"""Words that operators' public endpoints show: the sealed rounds of each, beside what the others and the chains say.

An endpoint belongs to a stranger, who may say anything, of any length, at any speed, or nothing. So it is asked little and seldom, an
answer is read up to a bound, and nothing in it counts but signatures that keys of the store's own sets have made.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import aiohttp
import orjson
import structlog
from yarl import URL

from feeds.errors import LrtOracleError
from feeds.secret_refs import hide, host_and_port
from feeds.secret_values import filled
from oracle.runtime.log_limit import LogBudget
from oracle.sign.eip712 import Domain
from oracle.watch.words import SignedWord, WordKind

_TIMEOUT_S = 4.0
_MOST_BODY = 512 << 10
"""A sealed round of 1,000 feeds and 64 signers has half of that."""
_MOST_SIGNERS = 64
_MOST_TEXT = 40
_OK, _NO_SUCH = 200, (404, 503)
"""A round that is not kept, and a process that has none yet."""
_AHEAD_S = 120
_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 10_000, 300_000
_MOST_ROUNDS = 48
"""Rounds that are remembered: an endpoint that has not shown one yet is asked for it, as long as it is among them."""
_ASKED_AT_ONCE = 4
_log = structlog.get_logger("oracle.watch.endpoint_words")


class BadSealedRound(LrtOracleError, ValueError):
    """An answer is no sealed round that counts: what is wrong with it."""


def sealed_words(body: bytes, domains: Collection[Domain], now_s: int, oldest_s: int) -> list[SignedWord]:
    """The words in a sealed round as an endpoint shows it, their signatures not checked.

    Args:
        body: the answer.
        domains: stores whose words count.
        now_s: Unix s.
        oldest_s: rounds before it count no more.

    Raises:
        BadSealedRound: it is none, or of another store or time.
    """
    try:
        document = orjson.loads(body)
        domain = Domain(chain_id=_number(document["chain_id"]), store=_bytes(document["store"], 20))
        epoch, round_s, step = (_number(document[n]) for n in ("epoch", "round", "step"))
        items, signers = _bytes(document["items"]), document["signers"]
        if domain not in domains or not oldest_s <= round_s <= now_s + _AHEAD_S or len(signers) > _MOST_SIGNERS:
            raise BadSealedRound("of another store or time, or of too many signers")
        return [
            SignedWord(
                key=_bytes(s["address"], 20), domain=domain, kind=WordKind.SEALED, step=step, epoch=epoch, round_time_s=round_s,
                items=items, signature=_bytes(s["signature"], 64),
            )
            for s in signers if s["signature"] is not None
        ]  # fmt: skip
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, OverflowError) as e:
        raise BadSealedRound(repr(e)[:200]) from None


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str) or len(str(value)) > _MOST_TEXT:
        raise BadSealedRound("a number is none")
    try:
        return int(value)
    except ValueError:
        raise BadSealedRound("a number is none") from None


def _bytes(text: Any, length: int | None = None) -> bytes:
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise BadSealedRound("not hex") from None
    if length is not None and len(raw) != length:
        raise BadSealedRound("bytes of another length")
    return raw


class SharedRounds:
    """Rounds that were heard of from anybody, the newest: of each an endpoint is asked what it says."""

    def __init__(self) -> None:
        self._asked: OrderedDict[tuple[Domain, int], set[str]] = OrderedDict()

    def note(self, domain: Domain, round_time_s: int) -> None:
        """Somebody said something of a round."""
        if (domain, round_time_s) not in self._asked:
            self._asked[domain, round_time_s] = set()
            while len(self._asked) > _MOST_ROUNDS:
                del self._asked[min(self._asked, key=lambda p: p[1])]

    def answered(self, name: str, round_time_s: int) -> None:
        """An endpoint has been asked for it, whatever it said."""
        for (_, round_s), names in self._asked.items():
            if round_s == round_time_s:
                names.add(name)

    def open_for(self, name: str) -> Iterator[int]:
        """Rounds that an endpoint was not asked for, the newest first."""
        yield from sorted({r for (_, r), names in self._asked.items() if name not in names}, reverse=True)


class EndpointWords:
    """One endpoint.

    Args:
        url: of it, with ?target=NAME where the store is not its first.
        rounds: of all together.
        keys_of: report keys of a store's sets; none where they are not known yet.
        hear: gets each word whose signature was checked.
        now_ms: the clock.
        keep_s: words of older rounds count no more.

    Attributes:
        name: host and port.
        heard: words that counted.
        strange: words by keys of no set, or with signatures that are not theirs.
        failed: answers that came to nothing.
    """

    def __init__(
        self, url: str, rounds: SharedRounds, *, keys_of: Callable[[Domain], frozenset[bytes]], domains: Sequence[Domain],
        hear: Callable[[SignedWord], None], now_ms: Callable[[], int], keep_s: int,
    ) -> None:  # fmt: skip
        address = filled(url)
        self.name = host_and_port(url, address.text)
        self.heard = self.strange = self.failed = 0
        self._hidden = address.hidden
        self._url, self._rounds, self._keys_of, self._domains = URL(address.text), rounds, keys_of, tuple(domains)
        self._hear, self._now_ms, self._keep_s = hear, now_ms, keep_s
        self._until_ms = self._pause_ms = 0
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._told = LogBudget()
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def look(self) -> None:
        """Ask for its newest round, and for some that others told of. One that fails is left alone for longer and longer."""
        if self._now_ms() < self._until_ms:
            return
        try:
            await self._ask("newest")
            for round_s in list(self._rounds.open_for(self.name))[:_ASKED_AT_ONCE]:
                await self._ask(str(round_s))
                self._rounds.answered(self.name, round_s)
        except (aiohttp.ClientError, OSError, TimeoutError, BadSealedRound) as e:
            self._fail(e)
        else:
            self._pause_ms = 0

    def _fail(self, error: Exception) -> None:
        self.failed += 1
        self._pause_ms = min(_LONGEST_PAUSE_MS, 2 * self._pause_ms or _FIRST_PAUSE_MS)
        self._until_ms = self._now_ms() + self._pause_ms
        if (more := self._told.more("failed")) is not None:
            _log.warning("an operator's endpoint cannot be read", endpoint=self.name, why=type(error).__name__,
                         text=hide(str(error), self._hidden)[:200], more_since_the_last_line=more)  # fmt: skip

    async def _ask(self, which: str) -> None:
        body = await self._body(which)
        if body is None:
            return
        now_s = self._now_ms() // 1_000
        for word in sealed_words(body, self._domains, now_s, now_s - self._keep_s):
            self._take(word)

    def _take(self, word: SignedWord) -> None:
        """A word counts if a key of the store's sets has signed it; each is checked once."""
        mark = word.key + word.digest + word.signature
        if mark in self._known:
            return
        self._known[mark] = None
        while len(self._known) > _MOST_ROUNDS * _MOST_SIGNERS:
            self._known.popitem(last=False)
        if word.key not in self._keys_of(word.domain) or not word.is_sound:
            self.strange += 1
            return
        self.heard += 1
        self._rounds.note(word.domain, word.round_time_s)
        self._rounds.answered(self.name, word.round_time_s)
        self._hear(word)

    async def _body(self, which: str) -> bytes | None:
        """An answer; None where it has no such round."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S)
            )
        url = (self._url / "v1" / "rounds" / which / "sealed").with_query(self._url.query)
        async with self._session.get(url, allow_redirects=False) as reply:
            body = bytearray()
            async for part in reply.content.iter_chunked(1 << 14):
                body += part
                if len(body) > _MOST_BODY:
                    raise BadSealedRound(f"more than {_MOST_BODY} bytes")
            if reply.status in _NO_SUCH:
                return None
            if reply.status != _OK:
                raise BadSealedRound(f"status {reply.status}")
            return bytes(body)


def counts_of(endpoints: Collection[EndpointWords]) -> Mapping[str, Mapping[str, int]]:
    """What came of each, by its name."""
    return {e.name: {"heard": e.heard, "strange": e.strange, "failed": e.failed} for e in endpoints}
