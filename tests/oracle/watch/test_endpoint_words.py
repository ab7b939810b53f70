"""A watch that follows operators' public endpoints: what one shows is held against what another shows; what a stranger says counts for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pytest
from aiohttp import web

from oracle.serve.operator_documents import sealed_document
from oracle.sign.messages import Agreement, SignerSet
from oracle.watch.endpoint_words import BadSealedRound, EndpointWords, SharedRounds, sealed_words
from oracle.watch.evidence import EvidenceState
from oracle.watch.watcher import Watcher
from oracle.watch.words import SignedWord
from tests.oracle.watch.watch_world import ADDRESSES, HERE, ROUND_S, SEALED, A, B, memory_rows, word_by

pytestmark = pytest.mark.loopback
NOW_MS = (ROUND_S + 5) * 1_000
MEMBERS = ADDRESSES[:3]


def document(*words: SignedWord, items: bytes = A, round_s: int = ROUND_S, **changes: Any) -> dict[str, Any]:
    """As an operator's endpoint shows a sealed round."""
    signers = SignerSet(domain=HERE, epoch=1, signers=tuple(MEMBERS), weights=(1, 1, 1), threshold=3)
    agreement = Agreement(
        target="t", signers=signers, round_time_s=round_s, step=0, items=items, version=1, rules=bytes(32), feeds=("A/ETH", "B/ETH"),
        indexes=(0, 1), values=(), seals=tuple((w.key, w.signature) for w in words), dropped=(),
    )  # fmt: skip
    return sealed_document(agreement) | changes


def sealed(key: int, said: bytes = A, round_s: int = ROUND_S) -> SignedWord:
    return word_by(key, said, SEALED, round_s=round_s)


Answer = Callable[[web.Request], Any]


@dataclass
class Stranger:
    """Somebody's endpoint."""

    rounds: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    answer: Answer | None = None

    async def show(self, request: web.Request) -> web.StreamResponse:
        which = request.match_info["round"]
        self.asked.append(which + ("?" + request.query_string if request.query_string else ""))
        if self.answer is not None:
            return await self.answer(request)  # type: ignore[no-any-return]
        found = self.rounds.get(which)
        return web.json_response(found) if found is not None else web.json_response({}, status=404)


@asynccontextmanager
async def running(stranger: Stranger) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/v1/rounds/{round}/sealed", stranger.show)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]
    await runner.cleanup()


@dataclass
class Listener:
    """A watch over some endpoints."""

    watcher: Watcher = field(default_factory=lambda: Watcher(memory_rows(), lambda: NOW_MS))
    rounds: SharedRounds = field(default_factory=SharedRounds)
    now_ms: int = NOW_MS

    def at(self, url: str) -> EndpointWords:
        self.watcher.on_word = lambda w: self.rounds.note(w.domain, w.round_time_s)
        return EndpointWords(
            url, self.rounds, keys_of=lambda _: frozenset(MEMBERS), domains=(HERE,), hear=self.watcher.hear,
            now_ms=lambda: self.now_ms, keep_s=3_600,
        )  # fmt: skip


async def test_two_endpoints_that_show_two_things_of_one_key_are_evidence() -> None:
    one, other, listener = Stranger(), Stranger(), Listener()
    one.rounds = {"newest": document(sealed(0), sealed(1), sealed(2))}
    other.rounds = {
        "newest": document(sealed(0, B), sealed(1), items=B)
    }  # the second one's signature is over something else
    async with running(one) as first, running(other) as second:
        ends = [listener.at(first + "?target=main"), listener.at(second)]
        for end in ends:
            await end.look()
            await end.look()
            await end.close()
    (found,) = listener.watcher.rows.evidence()
    assert (found.found.operator, found.state) == (ADDRESSES[0], EvidenceState.FOUND)
    assert [(e.heard, e.strange, e.failed) for e in ends] == [(3, 0, 0), (1, 1, 0)]
    assert one.asked == ["newest?target=main"] * 2
    assert other.asked == ["newest"] * 2


async def test_what_one_has_told_of_the_others_are_asked_for() -> None:
    """An endpoint that is a round ahead, and never shows as its newest what another has seen, is asked for that one, once."""
    listener, shy = Listener(), Stranger()
    shy.rounds = {
        "newest": document(sealed(1, round_s=ROUND_S + 1), round_s=ROUND_S + 1),
        str(ROUND_S): document(sealed(0, B), items=B),
    }
    async with running(shy) as url:
        end = listener.at(url)
        await end.look()
        assert shy.asked == ["newest"]
        listener.watcher.hear(word_by(0, A))  # landed at a chain
        for _ in range(3):
            await end.look()
        await end.close()
    assert shy.asked.count(str(ROUND_S)) == 1
    assert [k.found.operator for k in listener.watcher.rows.evidence()] == [ADDRESSES[0]]


@pytest.mark.parametrize(
    "change",
    [
        {"store": "0x" + "11" * 20}, {"chain_id": "1"}, {"round": ROUND_S + 3_000}, {"round": ROUND_S - 7_200},
        {"round": "9" * 4_000}, {"round": True}, {"items": "0xzz"}, {"items": None}, {"signers": None}, {"signers": 7},
        {"signers": [{"address": "0x" + "11" * 20, "signature": "0x11"}]}, {"signers": [None]}, {"epoch": [1]}, {"step": 1.5},
        {"signers": [{"address": "0x" + "11" * 20, "signature": None}] * 65},
    ],
)  # fmt: skip
def test_an_answer_that_is_no_sealed_round_of_ours_is_refused(change: dict[str, Any]) -> None:
    whole = orjson.dumps(document(sealed(0)))
    assert len(sealed_words(whole, (HERE,), ROUND_S, ROUND_S - 3_600)) == 1
    raw = document(sealed(0)) | change
    with pytest.raises(BadSealedRound):
        sealed_words(orjson.dumps(raw), (HERE,), ROUND_S, ROUND_S - 3_600)


@pytest.mark.parametrize(
    "body", [b"", b"[" * 100_000, b"null", b"[]", b'"x"', b"\xff\xfe", b"{}", b'{"chain_id": 1e400}']
)
def test_bytes_that_are_no_document_are_refused(body: bytes) -> None:
    with pytest.raises(BadSealedRound):
        sealed_words(body, (HERE,), ROUND_S, 0)


async def test_keys_of_no_set_and_signatures_of_others_count_for_nothing() -> None:
    stranger, listener = Stranger(), Listener()
    theirs = document(sealed(0))
    theirs["signers"] = [
        {"address": "0x" + ADDRESSES[4].hex(), "signature": "0x" + sealed(4, B).signature.hex()},
        {"address": "0x" + ADDRESSES[0].hex(), "signature": "0x" + sealed(1).signature.hex()},
        {"address": "0x" + ADDRESSES[1].hex(), "signature": "0x" + "ff" * 64},
    ]
    stranger.rounds = {"newest": theirs}
    async with running(stranger) as url:
        end = listener.at(url)
        for _ in range(5):
            await end.look()
        await end.close()
    assert (end.heard, end.strange) == (0, 3), "each was looked at once"
    assert listener.watcher.heard == 0


async def endless(request: web.Request) -> web.StreamResponse:
    reply = web.StreamResponse()
    await reply.prepare(request)
    try:
        while True:
            await reply.write(b" " * 65_536)
    except (ConnectionError, asyncio.CancelledError):
        return reply


async def elsewhere(_: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("http://127.0.0.1:1/")


async def fault(_: web.Request) -> web.StreamResponse:
    return web.Response(status=500, body=b"x")


@pytest.mark.parametrize("answer", [endless, fault])
async def test_an_endpoint_that_misbehaves_is_left_alone_for_longer_and_longer(answer: Answer) -> None:
    stranger, listener = Stranger(answer=answer), Listener()
    async with running(stranger) as url:
        end = listener.at(url)
        asked = []
        for _ in range(1_300):
            await end.look()
            asked.append(len(stranger.asked))
            listener.now_ms += 1_000
        await end.close()
    assert asked[9] == 1
    assert asked[-1] == end.failed <= 9, "10 s, 20 s, ... 300 s"


async def test_it_follows_no_redirect() -> None:
    stranger, listener = Stranger(answer=elsewhere), Listener()
    async with running(stranger) as url:
        end = listener.at(url)
        await end.look()
        await end.close()
    assert (end.heard, end.failed) == (0, 1)


def test_rounds_that_are_remembered_are_bounded() -> None:
    rounds = SharedRounds()
    for number in range(1_000):
        rounds.note(replace(HERE, chain_id=number % 3 + 1), ROUND_S + number)
    left = list(rounds.open_for("x"))
    assert left == sorted(left, reverse=True)
    assert len(left) == 48
    assert left[0] == ROUND_S + 999
