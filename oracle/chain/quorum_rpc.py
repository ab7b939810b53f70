"""The endpoints of a chain as one: believe what several of them say, and send to all of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import aiohttp
import orjson

from feeds.chains.jsonrpc import JsonRpc, quantity
from feeds.chains.quorum import AgreedAnswer, Disagreement, highest_reached, quorum_of, vote
from feeds.errors import FeedError, LrtOracleError, Malformed, Refused, Reverted, WrongChain

_MAX_BODY = 4 << 20
_GRACE_S = 0.15
_VIEW_GRACE_S = 0.5
_MESSAGE = 300
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)
T = TypeVar("T")
Call = tuple[str, tuple[Any, ...]]
Question = tuple[str, tuple[Any, ...], Callable[[Any], Any]]
"""A method, its parameters, and what turns the answer into something that can be compared."""
Answers = Mapping[str, Any]
"""By endpoint its result, its results where there were several calls, or the FeedError that it gave instead."""


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
        refusal = super()._refusal(status, error)
        if not isinstance(refusal, Refused | Reverted):
            return refusal
        fields = error if isinstance(error, Mapping) else {}
        data = fields.get("data")
        raw = data if isinstance(data, str) and data.startswith("0x") else "0x"
        try:
            revert = bytes.fromhex(raw[2:])
        except ValueError:
            revert = b""
        return NodeRefused(self._shown(str(fields.get("message", error)))[:_MESSAGE], revert, endpoint=self.name)


def _result(answer: Any) -> Any:
    """The answer as it is; an error does not count."""
    if isinstance(answer, FeedError):
        raise answer
    return answer


class QuorumRpc:
    """All endpoints of one chain. Must be made inside a running event loop's life and closed at its end.

    Args:
        urls: HTTP endpoints.
        chain_id: what each must serve; one that does not is left out until it does.
        agree: how many must say the same, see :func:`feeds.chains.quorum.quorum_of`. Three endpoints outvote a liar, two
            cannot.
        timeout_ms: of one request.
    """

    def __init__(self, urls: Sequence[str], *, chain_id: int, agree: int = 0, timeout_ms: int = 4_000) -> None:
        self.urls = tuple(urls)
        self._asked_agree = agree
        self.agree = quorum_of(agree, len(self.urls))
        self.disagreed: Counter[str] = Counter()
        self._chain_id = chain_id
        self._timeout_ms = timeout_ms
        self._session: aiohttp.ClientSession | None = None
        self._nodes: tuple[Node, ...] = ()
        self._checked: set[str] = set()
        self._height = -1
        self._heights: dict[str, int] = {}
        self._late: set[asyncio.Task[Any]] = set()

    def use(self, urls: Sequence[str]) -> Callable[[], None]:
        """Ask these from now on; what is under way is answered by those of before. Returns what takes it back."""
        before = self.urls, self.agree, self._nodes

        def undo() -> None:
            self.urls, self.agree, self._nodes = before

        self.urls, self._nodes = tuple(urls), ()
        self.agree = quorum_of(self._asked_agree, len(self.urls))
        return undo

    async def close(self) -> None:
        """Drop what is still under way and close the connections."""
        for task in tuple(self._late):
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def agreed_value(self, method: str, *params: Any, read: Callable[[Any], T] = _result) -> T:
        """What enough endpoints say identically.

        Args:
            method: of JSON-RPC.
            params: of the method.
            read: turns an answer (a result, or a FeedError) into something comparable; raises a FeedError or ValueError
                for an answer that is not a vote.

        Raises:
            ChainError: they differ, or too few answer; every endpoint is named with what it said.
        """

        def count(answers: Answers) -> AgreedAnswer[str, T] | Disagreement:
            return vote(_read_all(answers, read), self.agree)

        answers = await self._ask([(method, params)], lambda a: isinstance(count(a), AgreedAnswer))
        result = count(answers)
        if isinstance(result, Disagreement):
            raise ChainError(f"{method}: {result.most} of {self.agree} endpoints agree: {_shown(answers)}")
        self.disagreed.update(result.outvoted)
        return result.value

    async def highest_reached(self, method: str, *params: Any, read: Callable[[Any], T]) -> T:
        """The highest value that enough endpoints have reached: of a head, a nonce; one that lies high is outvoted.

        Raises:
            ChainError: too few answer.
        """

        def values(answers: Answers) -> list[T]:
            return [v for v in _read_all(answers, read).values() if not isinstance(v, FeedError)]

        answers = await self._ask([(method, params)], lambda a: len(values(a)) >= self.agree, self._grace_s(_GRACE_S))
        found = values(answers)
        highest = highest_reached(found, self.agree)
        if highest is None:
            raise ChainError(f"{method}: {len(found)} of {self.agree} endpoints answer: {_shown(answers)}")
        return highest

    async def all_answers(self, method: str, *params: Any, least: int = 1) -> Answers:
        """What the endpoints say, by name, once `least` of them have said something good and the others had a moment."""

        def enough(answers: Answers) -> bool:
            return sum(not isinstance(a, FeedError) for a in answers.values()) >= least

        return await self._ask([(method, params)], enough, self._grace_s(_GRACE_S))

    async def first_proven(self, method: str, *params: Any, read: Callable[[str, Any], T | None]) -> T | None:
        """The first answer that proves itself, whoever gives it: no vote is needed of what cannot be made up. None if none does.

        Args:
            method: of JSON-RPC.
            params: of the method.
            read: turns an endpoint's name and its answer (a result, or a FeedError) into what it proves; None where it
                proves nothing. Called once for each that answers, until one does.
        """
        proven: dict[str, T | None] = {}

        def found(answers: Answers) -> bool:
            proven.update({name: read(name, a) for name, a in answers.items() if name not in proven})
            return any(p is not None for p in proven.values())

        found(await self._ask([(method, params)], found))
        return next((p for p in proven.values() if p is not None), None)

    async def newest_view(self, read_head: Callable[[Any], tuple[int, int]], *questions: Question) -> tuple[Any, ...]:
        """The newest view that enough endpoints have: the highest of each value that they have reached.

        An endpoint is asked everything in turn, its newest block last, and counts only if it answers all of it: so no
        value is newer than the head. The heads are kept: they say what an endpoint's later "not there" is worth.

        Args:
            read_head: turns a block into (number, time).
            questions: what else to ask; ``read`` gives something that can be ordered.

        Returns:
            A value for each of the questions, then the head.

        Raises:
            ChainError: too few answer.
        """
        calls = [*((method, params) for method, params, _ in questions), ("eth_getBlockByNumber", ("latest", False))]
        readers = [*(read for _, _, read in questions), read_head]

        def read_each(answer: Any) -> tuple[Any, ...]:
            results = _result(answer) if len(readers) > 1 else (answer,)
            return tuple(read(result) for read, result in zip(readers, results, strict=True))

        def views(answers: Answers) -> dict[str, tuple[Any, ...]]:
            read = _read_all(answers, read_each)
            return {name: view for name, view in read.items() if not isinstance(view, FeedError)}

        answers = await self._ask(calls, lambda a: len(views(a)) >= self.agree, self._grace_s(_VIEW_GRACE_S))
        found = views(answers)
        if len(found) < self.agree:
            raise ChainError(
                f"the newest view of the chain: {len(found)} of {self.agree} endpoints answer: {_shown(answers)}"
            )
        newest: tuple[Any, ...] = tuple(
            highest_reached(column, self.agree) for column in zip(*found.values(), strict=True)
        )
        self._height, self._heights = newest[-1][0], {name: view[-1][0] for name, view in found.items()}
        return newest

    async def agreed_or_absent(self, method: str, *params: Any, read: Callable[[Any], T | None]) -> T | None:
        """What enough endpoints know; None, "not there", only from those that have reached the height of the last view.

        Every endpoint of that view is heard: as long as one may still know of it, the others' "not there" is not
        believed. One that is behind has no say in it.

        Raises:
            ChainError: neither enough know it, nor do enough that are up to date say that it is not there.
        """

        def count(answers: Answers) -> tuple[AgreedAnswer[str, T | None] | Disagreement, list[str]]:
            """The vote of those that know something, and those that can tell that it is not there."""
            values = _read_all(answers, read)
            ranked = sorted(
                values, key=self._height_of, reverse=True
            )  # of two values as frequent, the higher endpoint's
            known = vote({name: values[name] for name in ranked if values[name] is not None}, self.agree)
            return known, [n for n, v in values.items() if v is None and self._height_of(n) >= self._height]

        def enough(answers: Answers) -> bool:
            known, absent = count(answers)
            if isinstance(known, AgreedAnswer):
                return True
            still_out = len(self._heights.keys() - answers.keys())
            return len(absent) >= self.agree and known.most + still_out < self.agree

        answers = await self._ask([(method, params)], enough)
        known, absent = count(answers)
        if isinstance(known, AgreedAnswer):
            self.disagreed.update((*known.outvoted, *absent))
            return known.value
        if len(absent) < self.agree:
            raise ChainError(
                f"{method}: {known.most} of {self.agree} endpoints know it, and too few have reached block"
                f" {self._height}: {_shown(answers)}"
            )
        values = _read_all(answers, read)
        self.disagreed.update(n for n, v in values.items() if v is not None and not isinstance(v, FeedError))
        return None

    def _height_of(self, name: str) -> int:
        return self._heights.get(name, -1)

    def _grace_s(self, grace_s: float) -> float:
        """How long the others are awaited after enough have answered; a single endpoint has no others."""
        return grace_s if len(self.urls) > 1 else 0.0

    async def _ask(self, calls: Sequence[Call], enough: Callable[[Answers], bool], grace_s: float = 0.0) -> Answers:
        """Ask all at once; stop waiting when there is enough. A later one is heard to its end, but not waited for."""
        tasks = {self._spawn(self._ask_node(node, calls)): node.name for node in self.clients()}
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
        return answers

    async def _ask_node(self, node: Node, calls: Sequence[Call]) -> Any:
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

    def clients(self) -> tuple[Node, ...]:
        """One client for each address, made at the first use; those of one host are distinguished by a number."""
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
            self._nodes = ()
        if not self._nodes:
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


def _read_all(answers: Answers, read: Callable[[Any], T]) -> dict[str, T | FeedError]:
    """Every endpoint's answer as a value; as a FeedError where there is none, or it cannot be read."""
    values: dict[str, T | FeedError] = {}
    for name, answer in answers.items():
        try:
            values[name] = value = read(answer)
            hash(value)
        except FeedError as error:
            values[name] = error
        except _UNREADABLE as error:
            values[name] = Malformed("the answer cannot be read", endpoint=name, error=type(error).__name__)
    return values


def _shown(answers: Answers) -> str:
    """Every endpoint with what it said, for people."""
    parts = [f"{n}: {a if isinstance(a, FeedError) else orjson.dumps(a)[:60].decode()}" for n, a in answers.items()]
    return "; ".join(parts) or "no endpoint answers"
