"""The follower over real sockets: it loses and doubles nothing, survives all sources but one, and takes nothing that is not proven."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import coincurve
import pytest

from oracle.follow.follower import VerifiedRound
from oracle.model.publication import Record
from oracle.sign.eip712 import address_of, sealed_digest, sign_compact
from tests.oracle.follow.follow_world import REPORT_KEYS, Site, body_of, site, telling, times, until
from tests.oracle.serve.service_world import ROUND_S

pytestmark = [pytest.mark.chain, pytest.mark.loopback]
STRANGERS = [coincurve.PrivateKey(bytes([n]) * 32) for n in (41, 42, 43)]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as made:
        yield made


async def test_what_is_taken_is_what_the_operator_publishes(here: Site) -> None:
    taken: list[VerifiedRound] = []
    here.rounds(3)
    async with here.process() as one, here.follower(one.url, take=taken) as follower:
        await until(lambda: len(taken) == 3, "replay")
        last_s = here.round()
        await until(lambda: len(taken) == 4, "live")
        assert times(taken) == [ROUND_S, ROUND_S + 10, ROUND_S + 20, last_s]
        published = {f: one.database.record(f, last_s) for f in ("wdivETH/ETH", "ETH/USD", "wdivETH/USD")}
        assert {r.feed: shown(r) for r in taken[-1].records} == {
            f: shown(r) for f, r in published.items() if r is not None
        }
        assert taken[-1].agreement.items == here.done[-1].agreements[0].items
        assert (taken[-1].source, taken[-1].lag_ms, follower.newest_s) == (f"127.0.0.1:{one.port}", 0, last_s)


def shown(record: Record) -> Record:
    """A record without the name of the store, which is each one's own."""
    return replace(record, seal=None if record.seal is None else replace(record.seal, target=""))


async def test_all_operators_but_one_may_be_lost_and_words_are_those_of_the_first_in_the_config(here: Site) -> None:
    taken: list[VerifiedRound] = []
    here.round()
    async with (
        here.process() as one, here.process() as two, here.process() as three,
        here.follower(one.url, two.url, three.url, take=taken) as follower,
    ):  # fmt: skip
        await until(lambda: all(s.newest_s for s in follower.states), "all tell")
        assert times(taken) == [ROUND_S]
        assert words(taken)[ROUND_S] == one.database.record("ETH/USD", ROUND_S)
        await one.stop()
        await two.stop()
        late_s = here.round()
        await until(lambda: late_s in times(taken), "the third tells it")
        assert words(taken)[late_s] == three.database.record("ETH/USD", late_s)
        assert [s.refused.total() for s in follower.states] == [0, 0, 0]


def words(taken: list[VerifiedRound]) -> dict[int, Record]:
    """The newest words of each round, of one feed, as an operator's own store names it."""
    found = {v.round_time_s: next(r for r in v.records if r.feed == "ETH/USD") for v in taken}
    return {t: replace(r, seal=replace(r.seal, target="main")) for t, r in found.items() if r.seal is not None}


async def test_nothing_is_lost_and_nothing_doubled_by_twenty_kills_of_operators_and_follower(here: Site) -> None:
    """Each time one of two operators is cut off, or the follower is ended and begins again where it was."""
    rng, taken = random.Random(4), list[VerifiedRound]()
    async with here.process() as one, here.process() as two:
        for kill in range(20):
            last_s = max(times(taken), default=ROUND_S - 1)
            async with here.follower(one.url, two.url, take=taken, after_s=last_s):
                here.rounds(rng.randrange(1, 4))
                victim = (one, two)[kill % 2]
                if rng.random() < 0.6:
                    await victim.stop()
                    here.rounds(rng.randrange(1, 3))
                    await victim.start()
                if rng.random() < 0.7:
                    await until(lambda: len(set(times(taken))) == len(here.done), f"kill {kill}")
        async with here.follower(one.url, two.url, take=taken, after_s=max(times(taken))):
            await until(lambda: len(set(times(taken))) == len(here.done), "the rest")
    assert sorted(times(taken)) == [ROUND_S + 10 * n for n in range(len(here.done))], "each once"


async def test_a_stream_that_broke_goes_on_after_the_last_round_and_tells_none_again(here: Site) -> None:
    here.rounds(3)
    taken: list[VerifiedRound] = []
    async with here.process() as one, here.follower(one.url, take=taken) as follower:
        await until(lambda: len(taken) == 3, "replay")
        await one.stop()
        here.round()
        await one.start()
        await until(lambda: len(taken) == 4, "the next one")
        assert follower.states[0].heard == 4


# --- what does not verify -------------------------------------------------------------------------------------------------

Change = Callable[[dict[str, Any]], None]


def unsigned(body: dict[str, Any]) -> None:
    for signer in body["sealed"]["signers"][1:]:
        signer["signature"] = None


def heavier(body: dict[str, Any]) -> None:
    unsigned(body)
    body["sealed"]["signers"][0]["weight"] = "1000"
    body["sealed"]["threshold"] = "1"


def wrong_signature(body: dict[str, Any]) -> None:
    first = next(s for s in body["sealed"]["signers"] if s["signature"])
    first["signature"] = first["signature"][:-4] + "0000"


def twice(body: dict[str, Any]) -> None:
    unsigned(body)
    body["sealed"]["signers"].append(body["sealed"]["signers"][0])


def edited_items(body: dict[str, Any]) -> None:
    items = bytearray.fromhex(body["sealed"]["items"][2:])
    items[12] ^= 1
    body["sealed"]["items"] = "0x" + items.hex()


def of_strangers(body: dict[str, Any]) -> None:
    sign(body, STRANGERS)


def of_another_epoch(body: dict[str, Any]) -> None:
    body["sealed"]["epoch"] = "2"
    sign(body, REPORT_KEYS)


def of_another_store(body: dict[str, Any]) -> None:
    body["sealed"]["store"] = "0x" + "11" * 20


def told_anew(body: dict[str, Any]) -> None:
    """An old round as a new one: its signatures are of its own time."""
    body["sealed"]["round"] += 10


def edited_price(body: dict[str, Any]) -> None:
    body["records"][0]["price"] = "2.000000000000000000"


def edited_market(body: dict[str, Any]) -> None:
    body["records"][0]["market"] = "2.000000000000000000"


def edited_status(body: dict[str, Any]) -> None:
    body["records"][0]["status"] = "depeg"


def edited_cross(body: dict[str, Any]) -> None:
    cross = next(r for r in body["records"] if r["feed"] == "wdivETH/USD")
    cross["price"] = "9.000000000000000000"


def no_reason(body: dict[str, Any]) -> None:
    body["records"][0]["reasons"] = [{"code": "SUNSPOTS", "text": "?"}]


def no_round(body: dict[str, Any]) -> None:
    del body["sealed"]["items"]


def sign(body: dict[str, Any], keys: list[coincurve.PrivateKey]) -> None:
    """All signatures anew, by these keys."""
    sealed = body["sealed"]
    at = (SITE[0].domain, int(sealed["epoch"]), sealed["round"], sealed["step"], bytes.fromhex(sealed["items"][2:]))
    sealed["signers"] = [
        {
            "address": "0x" + address_of(k).hex(),
            "weight": "1",
            "signature": "0x" + sign_compact(k, sealed_digest(*at)).hex(),
        }
        for k in keys
    ]


SITE: list[Site] = []
LIES: dict[Change, str] = {
    unsigned: "weight", heavier: "weight", wrong_signature: "signature", twice: "signature", edited_items: "signature",
    of_strangers: "signer_set", of_another_epoch: "signer_set", of_another_store: "store", told_anew: "signature",
    edited_price: "record", edited_market: "record", edited_status: "record", edited_cross: "record", no_reason: "form",
    no_round: "form",
}  # fmt: skip


async def test_what_does_not_verify_is_refused_and_counted_and_the_truth_is_taken_from_another(here: Site) -> None:
    SITE[:] = [here]
    here.rounds(2)
    for change, why in LIES.items():
        taken: list[VerifiedRound] = []
        async with here.process() as honest:
            body = copy.deepcopy(body_of(honest, ROUND_S))
            change(body)
            async with telling([(body["sealed"]["round"], body)]) as liar, here.follower(liar, take=taken) as alone:
                await until(lambda: alone.states[0].heard, change.__name__)
                assert (dict(alone.states[0].refused), taken) == ({why: 1}, []), change.__name__
                async with here.follower(liar, honest.url, take=taken) as follower:
                    await until(lambda: follower.newest_s == ROUND_S + 10 and follower.states[0].heard, "the truth")
                    assert sorted(times(taken)) == [ROUND_S, ROUND_S + 10], change.__name__
                    assert dict(follower.states[0].refused) == {why: 1}


@pytest.mark.parametrize("away_ms", [864_000_000, 1_000, -1_600_000_000_000])
async def test_a_time_that_cannot_be_by_the_sealed_age_is_not_taken(here: Site, away_ms: int) -> None:
    """When inputs were seen is told and not sealed: it is never newer than the age that was sealed, nor older than a feed allows."""
    here.round()
    taken: list[VerifiedRound] = []
    async with here.process() as one:
        body = copy.deepcopy(body_of(one, ROUND_S))
        for told in body["records"]:
            told["observed_at_ms"] += away_ms
        async with telling([(ROUND_S, body)]) as liar, here.follower(liar, take=taken):
            await until(lambda: taken, "a record whose numbers are right")
    for record in taken[0].records:
        report = record.report
        sealed_ms = (report.round_time_s - report.market_age_s) * 1_000
        if not record.legs:
            assert record.observed_at_ms == (sealed_ms if report.market_wad else min(sealed_ms, record.observed_at_ms))
        assert 0 <= record.observed_at_ms < sealed_ms + 1_000


async def test_an_event_with_another_rounds_id_and_a_round_of_the_future_are_refused(here: Site) -> None:
    here.rounds(1)
    taken: list[VerifiedRound] = []
    async with here.process() as one:
        body = body_of(one, ROUND_S)
        ahead = copy.deepcopy(body)
        ahead["sealed"]["round"] = ROUND_S + 1_000
        async with (
            telling([(ROUND_S + 10, body), (ROUND_S + 1_000, ahead)]) as url,
            here.follower(url, take=taken) as it,
        ):
            await until(lambda: it.states[0].heard == 2, "both")
            assert (dict(it.states[0].refused), taken) == ({"time": 2}, [])


async def test_rounds_are_of_the_set_that_the_chain_has_at_their_time(here: Site) -> None:
    """The owner sets other signers: what the old ones sign for later rounds counts for nothing."""
    here.round()
    taken: list[VerifiedRound] = []
    async with here.process() as one, here.follower(one.url, take=taken) as follower:
        await until(lambda: len(taken) == 1, "the first")
        store = here.bench.store.functions
        addresses = ["0x" + address_of(k).hex() for k in STRANGERS]
        checked = [here.bench.web3.to_checksum_address(a) for a in addresses]
        here.bench.at(ROUND_S + 5)
        here.bench.send(store.setSignersInEmergency(checked, [1, 1, 1], 2, 2))
        here.bench.at(ROUND_S + 4_000)
        epoch = store.signerSet().call()[0]
        here.rounds(1)
        await until(lambda: follower.states[0].heard == 2, "the second")
        assert (epoch, dict(follower.states[0].refused), len(taken)) == (2, {"signer_set": 1}, 1)
