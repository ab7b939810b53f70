"""The reading of stake beside the rounds: whole and at one block where the chain answers; old and told so where it does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from demo.world import anvil
from feeds.units import MS
from oracle.app import App
from oracle.build import build
from oracle.chain.quorum_rpc import ChainError, QuorumRpc
from oracle.serve.openapi.schemas import SCHEMAS
from oracle.serve.security_documents import security_document
from oracle.serve.stake_documents import stake_document, stake_parts
from oracle.stake.follow import StakeFollower, StakeView
from tests.oracle.assemble.keyed_config import ENVIRON, hear, keyed_config, seat_at
from tests.oracle.serve.endpoint_client import faults
from tests.oracle.stake.people import ETHER, OTHER_KEYS, OTHERS, STAKES, People

STORE = "0x" + "55" * 20
CALLS = 60
"""Of one operator and look, at most: endpoints are paid by the call."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    with anvil.running() as node:
        yield People(node.url, tmp_path_factory.mktemp("follow"))


@pytest.fixture
def people(made: People) -> Iterator[People]:
    """The chain as it was deployed, for each test."""
    before = made.on_chain(lambda chain: chain.rpc("evm_snapshot"))
    yield made
    made.on_chain(lambda chain: chain.rpc("evm_revert", before))


class CountingNodes(QuorumRpc):
    """The endpoints, and what they are asked."""

    def __init__(self, url: str) -> None:
        super().__init__([url], chain_id=31_337)
        self.blocks: list[str] = []

    async def agreed_value(self, method: str, *params: Any, **more: Any) -> Any:
        self.blocks.append(params[-1] if isinstance(params[-1], str) else params[-1]["toBlock"])
        return await super().agreed_value(method, *params, **more)


def looked(people: People, now_ms: int = 7_000) -> tuple[StakeView, list[str]]:
    """One look by a new process."""

    async def look() -> tuple[StakeView, list[str]]:
        nodes = CountingNodes(people.url)
        follower = StakeFollower("main", nodes, 31_337, people.world.store.address, now_ms=lambda: now_ms)
        await follower.look()
        await follower.close()
        return follower.view(), nodes.blocks

    return asyncio.run(look())


def document(view: StakeView) -> dict[str, Any]:
    shown = stake_document(view, None, 8_000)
    assert shown is not None
    assert faults(shown, SCHEMAS["Stake"]) == []
    return shown


@pytest.mark.chain
def test_a_look_reads_everything_at_one_block_with_few_calls(people: People) -> None:
    view, blocks = looked(people)
    shown = document(view)
    assert (view.error, shown["by_stake"], shown["epoch"]) == ("", False, "1")
    assert set(blocks) == {hex(shown["block"])}
    assert len(blocks) < CALLS * len(OTHERS)
    assert {o["why_not_next"] for o in shown["operators"]} == {"too new"}
    assert (shown["read_at_ms"], shown["age_s"]) == (7_000, 1)
    people.jump(2 * 3_600)
    people.rotate()
    assert document(looked(people)[0])["scheduled"]["armed"] is False
    people.arm()
    people.fund(2, ETHER)
    people.prove(OTHER_KEYS[1], epoch=2)
    view, blocks = looked(people)
    shown = document(view)
    assert len(blocks) < CALLS * len(OTHERS)
    rows = {o["operator"]: o for o in shown["operators"]}
    first, liar = (rows[OTHERS[i].address] for i in (0, 1))
    assert first["stake_wei"] == str(STAKES[0] * ETHER)
    (source,) = first["sources"]
    assert (source["tokens"], source["own_tokens"], source["commission_bps"]) == (
        str(STAKES[0] * ETHER),
        str(STAKES[0] * ETHER),
        people.read("source", "commissionOf", OTHERS[0].address),
    )
    assert liar["jailed_until_s"] == people.read("set", "jailedUntil", OTHERS[1].address)
    assert not liar["candidate"]
    (case,) = shown["cases"]
    assert (case["operator"], case["open"], case["outcome"]) == (OTHERS[1].address, True, "disputed")
    assert shown["rewards"][0]["pots"][0]["funded"] == str(ETHER)
    assert shown["slashable_wei"] == str(sum(int(o["slashable_wei"]) for o in shown["operators"]))
    assert shown["silent"], "two are left, three are needed"
    secured = security_document("a/b", None, None, view, None, 8_000)
    assert faults(secured, SCHEMAS["Security"]) == []
    assert secured["stake"]["two_contents"]["at_stake_wei"] == secured["stake"]["two_contents"]["lost_wei"]
    assert int(secured["stake"]["slashable_wei"]) == int(shown["slashable_wei"])


@pytest.mark.chain
def test_what_was_taken_is_read_once_and_stays(people: People) -> None:
    people.jump(2 * 3_600)
    people.rotate()
    people.arm()
    people.prove(OTHER_KEYS[1], epoch=2)
    case_id = people.read("penalties", "caseIn", OTHERS[1].address, 2)
    people.jump(people.read("penalties", "disputeS") + 1)

    async def carry(chain: Any) -> None:
        await chain.send(OTHERS[0], people.world.penalties, "carryOut", case_id, gas=12_000_000)
        await chain.settle()

    people.on_chain(carry)
    (case,) = document(looked(people)[0])["cases"]
    fraction = people.read("penalties", "caseOf", case_id)[4]
    assert (case["outcome"], case["open"]) == ("taken", False)
    assert int(case["taken_wei"]) == STAKES[1] * fraction


# --- a chain that does not answer ----------------------------------------------------------------------------------------


@asynccontextmanager
async def deaf_node() -> AsyncIterator[str]:
    """A node that takes every request and never answers."""
    done = asyncio.Event()

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    done.set()
    server.close()


@pytest.mark.loopback
async def test_a_node_that_never_answers_blocks_no_round(tmp_path: Path) -> None:
    async with deaf_node() as url:
        components = build(keyed_config(tmp_path, url), environ=ENVIRON)
        assert components.stake is not None
        looking = asyncio.create_task(components.stake.run(lambda e: pytest.fail(repr(e))))
        try:
            app = App(components)
            for name in ("home", "other"):
                app.rounds.take_seat(seat_at(name))
            await asyncio.sleep(0)
            now_s = app.clock.now_ms() // MS
            for round_s in (now_s, now_s + 10):
                hear(app, round_s * MS)
                done = await app.round(round_s)
                assert done.outcomes["home"].sealed is not None
            assert not looking.done()
            assert stake_parts(app.service.stake(), app.service.operators(), 0) == {
                "stake": None,
                "stake_why": "the contracts were not read yet",
            }
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            await components.close()


@pytest.mark.loopback
async def test_a_look_without_an_answer_is_given_up_and_told() -> None:
    async with deaf_node() as url:
        nodes = QuorumRpc([url], chain_id=31_337)
        follower = StakeFollower("main", nodes, 31_337, STORE, now_ms=lambda: 0, longest_s=0.05)
        await follower.look()
        assert follower.view() == StakeView(target="main", error="no answer within 0.05 s")
        await follower.close()


class Chain:
    """What a look is answered, by turns."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: object) -> None:
        self.answers = list(answers)
        monkeypatch.setattr("oracle.stake.follow.StakeReads.open", self._open)
        for name in ("discover", "overview", "price_security"):
            monkeypatch.setattr(f"oracle.stake.follow.{name}", self._answer)

    async def _open(self, *_: object) -> None:
        self.now = self.answers.pop(0)

    async def _answer(self, *_: object) -> object:
        if isinstance(self.now, Exception):
            raise self.now
        return self.now


async def test_a_chain_that_falls_silent_leaves_the_last_view_with_its_age(monkeypatch: pytest.MonkeyPatch) -> None:
    Chain(monkeypatch, {"epoch": 2}, ChainError("no endpoint answers"), {"epoch": 3})
    clock = [5_000]
    follower = StakeFollower("main", QuorumRpc([], chain_id=1), 1, STORE, now_ms=lambda: clock[0])
    await follower.look()
    first = follower.view()
    assert (first.found, first.read_ms, first.error) == ({"epoch": 2}, 5_000, "")
    clock[0] = 125_000
    await follower.look()
    assert (follower.view().found, follower.view().read_ms) == (first.found, 5_000)
    assert follower.view().error == "no endpoint answers"
    await follower.look()
    assert (follower.view().found, follower.view().read_ms, follower.view().error) == ({"epoch": 3}, 125_000, "")
