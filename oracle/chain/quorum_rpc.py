"""The endpoints of a chain as one: believe what several of them say, and send to all of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import aiohttp
import orjson

from feeds.chains.jsonrpc import JsonRpc, quantity
from feeds.errors import FeedError, LrtOracleError, Refused, WrongChain

_MAX_BODY = 4 << 20
_GRACE_S = 0.15
_LOOK_S = 0.5
_MAJORITY_FROM = 3
_MESSAGE = 300
_UNREADABLE = (FeedError, ValueError, TypeError, KeyError, AttributeError)
T = TypeVar("T")
Call = tuple[str, tuple[Any, ...]]
Ask = tuple[str, tuple[Any, ...], Callable[[Any], Any]]
"""A method, its parameters, and what turns the answer into something that can be compared."""


class ChainError(LrtOracleError, RuntimeError):
    """The chain cannot be used for pushing: what is wrong and what to do."""


class NodeRefused(Refused):
    """A node answered with an error: its message, and the bytes of a revert where it gave some."""

    def __init__(self, message: str, data: bytes, *, endpoint: str) -> None:
        super().__init__(message, endpoint=endpoint)
        self.data = data


class Node(JsonRpc):
    """One endpoint. An error of the node keeps its message and the revert's bytes, which name the contract's reason."""

    __slots__ = ()

    def _refusal(self, status: int, error: Any) -> FeedError:
        known = super()._refusal(status, error)
        if not isinstance(known, Refused) and known.code != "REVERTED":
            return known
        said = error if isinstance(error, Mapping) else {}
        data = said.get("data")
        raw = data if isinstance(data, str) and data.startswith("0x") else "0x"
        try:
            revert = bytes.fromhex(raw[2:])
        except ValueError:
            revert = b""
        return NodeRefused(str(said.get("message", error))[:_MESSAGE], revert, endpoint=self.name)


def _result(answer: Any) -> Any:
    """The answer as it is; an error does not count."""
    if isinstance(answer, FeedError):
        raise answer
    return answer


def auto_agree(endpoints: int) -> int:
    """How many endpoints must say the same by default: a majority of three or more; of fewer, one."""
    return endpoints // 2 + 1 if endpoints >= _MAJORITY_FROM else 1


class QuorumRpc:
    """All endpoints of one chain. Must be made inside a running event loop's life and closed at its end.

    Args:
        urls: HTTP endpoints.
        chain_id: what each must serve; one that does not is left out until it does.
        agree: how many must say the same; 0 is ``auto_agree``. Three endpoints outvote a liar, two cannot.
        timeout_ms: of one request.
    """

    def __init__(self, urls: Sequence[str], *, chain_id: int, agree: int = 0, timeout_ms: int = 4_000) -> None:
        self.urls = tuple(urls)
        self.agree = min(agree or auto_agree(len(self.urls)), len(self.urls))
        self.disagreed: Counter[str] = Counter()
        self._chain_id = chain_id
        self._timeout_ms = timeout_ms
        self._session: aiohttp.ClientSession | None = None
        self._nodes: tuple[Node, ...] = ()
        self._checked: set[str] = set()
        self._height = -1
        self._heights: dict[str, int] = {}
        self._late: set[asyncio.Task[Any]] = set()

    async def close(self) -> None:
        """Drop what is still under way and close the connections."""
        for task in tuple(self._late):
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def agreed(self, method: str, *params: Any, of: Callable[[Any], T] = _result) -> T:
        """What enough endpoints say identically.

        Args:
            method: of JSON-RPC.
            params: of the method.
            of: turns an answer (a result, or a FeedError) into something comparable; raises a FeedError or ValueError
                for an answer that does not count.

        Raises:
            ChainError: they differ, or too few answer; every endpoint is named with what it said.
        """
        votes: dict[T, list[str]] = {}

        def enough(answers: Mapping[str, Any]) -> bool:
            votes.clear()
            for name, answer in answers.items():
                with contextlib.suppress(*_UNREADABLE):
                    votes.setdefault(of(answer), []).append(name)
            return any(len(names) >= self.agree for names in votes.values())

        answers = await self._ask([(method, params)], enough)
        best = max(votes, key=lambda v: len(votes[v]), default=None)
        if not votes or len(votes[best]) < self.agree:  # type: ignore[index]
            most = max((len(v) for v in votes.values()), default=0)
            raise ChainError(f"{method}: {most} of {self.agree} endpoints agree: {_said(answers)}")
        for name in (n for value, names in votes.items() if value != best for n in names):
            self.disagreed[name] += 1
        return best  # type: ignore[return-value]

    async def vouched(self, method: str, *params: Any, of: Callable[[Any], T]) -> T:
        """The highest value that enough endpoints have reached: of a head, a nonce; one that lies high is outvoted.

        Raises:
            ChainError: too few answer.
        """
        values: dict[str, T] = {}

        def enough(answers: Mapping[str, Any]) -> bool:
            values.clear()
            values.update({n: v for n, a in answers.items() if (v := _or_none(of, a)) is not None})
            return len(values) >= self.agree

        answers = await self._ask([(method, params)], enough, grace_s=_GRACE_S if len(self.urls) > 1 else 0.0)
        if len(values) < self.agree:
            raise ChainError(f"{method}: {len(values)} of {self.agree} endpoints answer: {_said(answers)}")
        return sorted(values.values(), reverse=True)[self.agree - 1]  # type: ignore[type-var]

    async def every(self, method: str, *params: Any, least: int = 1) -> Mapping[str, Any]:
        """What the endpoints say, by name, once `least` of them have said something good and the others had a moment."""

        def enough(answers: Mapping[str, Any]) -> bool:
            return sum(not isinstance(a, FeedError) for a in answers.values()) >= least

        return await self._ask([(method, params)], enough, grace_s=_GRACE_S if len(self.urls) > 1 else 0.0)

    async def look(self, head_of: Callable[[Any], tuple[int, int]], *asks: Ask) -> tuple[Any, ...]:
        """The newest view that enough endpoints have: the highest of each value that they have reached.

        An endpoint is asked everything in turn, its newest block last, and counts only if it answers all of it: so no
        value is newer than the head. The heads are kept: they say what an endpoint's later "not there" is worth.

        Args:
            head_of: turns a block into (number, time).
            asks: what else to ask; ``of`` gives something that can be ordered.

        Returns:
            A value for each of the asks, then the head.

        Raises:
            ChainError: too few answer.
        """
        calls = [*((method, params) for method, params, _ in asks), ("eth_getBlockByNumber", ("latest", False))]
        readers = [*(of for _, _, of in asks), head_of]
        views: dict[str, tuple[Any, ...]] = {}

        def enough(answers: Mapping[str, Any]) -> bool:
            views.clear()
            views.update({n: v for n, a in answers.items() if (v := _or_none(read, a)) is not None})
            return len(views) >= self.agree

        def read(answer: Any) -> tuple[Any, ...]:
            found = answer if len(readers) > 1 else (answer,)
            return tuple(of(one) for of, one in zip(readers, found, strict=True))

        answers = await self._ask(calls, enough, grace_s=_LOOK_S if len(self.urls) > 1 else 0.0)
        if len(views) < self.agree:
            raise ChainError(f"a look at the chain: {len(views)} of {self.agree} endpoints answer: {_said(answers)}")
        seen = tuple(sorted(column, reverse=True)[self.agree - 1] for column in zip(*views.values(), strict=True))
        self._height, self._heights = seen[-1][0], {n: v[-1][0] for n, v in views.items()}
        return seen

    async def known(self, method: str, *params: Any, of: Callable[[Any], T | None]) -> T | None:
        """What enough endpoints know; None, "not there", only from those that have reached the height of the last look.

        Every endpoint of that look is heard: as long as one may still know of it, the others' "not there" is not
        believed. One that is behind has no say in it.

        Raises:
            ChainError: neither enough know it, nor do enough that are up to date say that it is not there.
        """
        votes: dict[T | None, list[str]] = {}

        def enough(answers: Mapping[str, Any]) -> bool:
            votes.clear()
            for name, answer in answers.items():
                with contextlib.suppress(*_UNREADABLE):
                    value = of(answer)
                    if value is not None or self._heights.get(name, -1) >= self._height:
                        votes.setdefault(value, []).append(name)
            most, still_out = known_by(), len(self._heights.keys() - answers.keys())
            return most >= self.agree or (absent() and most + still_out < self.agree)

        def known_by() -> int:
            return max((len(names) for value, names in votes.items() if value is not None), default=0)

        def absent() -> bool:
            return len(votes.get(None, ())) >= self.agree

        answers = await self._ask([(method, params)], enough)
        best: T | None = None
        if known_by() >= self.agree:
            best = max((v for v in votes if v is not None), key=lambda v: (len(votes[v]), self._highest(votes[v])))
        elif not absent():
            raise ChainError(
                f"{method}: {known_by()} of {self.agree} endpoints know it, and too few have reached block"
                f" {self._height}: {_said(answers)}"
            )
        for name in (n for value, names in votes.items() if value != best for n in names):
            self.disagreed[name] += 1
        return best

    def _highest(self, names: Sequence[str]) -> int:
        return max(self._heights.get(n, -1) for n in names)

    async def _ask(
        self, calls: Sequence[Call], enough: Callable[[Mapping[str, Any]], bool], grace_s: float = 0.0
    ) -> Mapping[str, Any]:
        """Ask all at once; stop waiting when there is enough. Who is later is heard to the end, but not waited for.

        Returns:
            By endpoint its answer, all its answers where there are several calls, or the error of one.
        """
        tasks = {self._spawn(self._one(node, calls)): node.name for node in self._open()}
        answers: dict[str, Any] = {}
        waiting = set(tasks)
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            answers |= {tasks[t]: t.result() for t in done}
            if enough(answers):
                break
        if waiting and grace_s:
            done, _ = await asyncio.wait(waiting, timeout=grace_s)
            answers |= {tasks[t]: t.result() for t in done}
            enough(answers)
        return answers

    async def _one(self, node: Node, calls: Sequence[Call]) -> Any:
        try:
            if node.name not in self._checked:
                served = quantity(await node.request("eth_chainId", ()))
                if served != self._chain_id:
                    return WrongChain(endpoint=node.name, expected=self._chain_id, served=served)
                self._checked.add(node.name)
            answers = [await node.request(method, params) for method, params in calls]
            return answers[0] if len(calls) == 1 else answers
        except FeedError as e:
            if not isinstance(e, NodeRefused):
                self._checked.discard(node.name)  # another node may answer there next
            return e

    def _open(self) -> tuple[Node, ...]:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
            self._nodes = tuple(
                Node(url, session=self._session, timeout_ms=self._timeout_ms, max_body=_MAX_BODY) for url in self.urls
            )
            for place, node in enumerate(self._nodes):
                if node.name in {n.name for n in self._nodes[:place]}:
                    node.name = f"{node.name} ({place + 1})"
        return self._nodes

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        return task


def _or_none(of: Callable[[Any], T], answer: Any) -> T | None:
    if isinstance(answer, FeedError):
        return None
    try:
        return of(answer)
    except _UNREADABLE:
        return None


def _said(answers: Mapping[str, Any]) -> str:
    """Every endpoint with what it said, for people."""
    parts = [f"{n}: {a if isinstance(a, FeedError) else orjson.dumps(a)[:60].decode()}" for n, a in answers.items()]
    return "; ".join(parts) or "no endpoint answers"
