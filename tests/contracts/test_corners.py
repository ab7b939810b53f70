"""Branches that a plain use never takes: odd counterparts, too little gas, ends of ids, and the other one of two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from web3 import Web3
from web3.exceptions import ContractLogicError, Web3Exception, Web3RPCError

from demo.world import anvil
from tests.contracts.contract_tools import Bench, Item, compiled, connected

pytestmark = pytest.mark.chain
MAX_AGE_S, STRICT_AGE_S = 3_600, 600
ZERO = "0x" + "00" * 20
MOST = 2**88 - 1


@pytest.fixture(scope="module")
def web3() -> Iterator[Web3]:
    with anvil.running(extra=("--timestamp", "1999000000")) as running, connected(running.url) as w:
        yield w


@pytest.fixture
def bench(web3: Web3) -> Bench:
    made = Bench(web3, max_age=MAX_AGE_S)
    made.register("weETH/ETH")
    made.register("ETH/USD", redemption=False)
    return made


def odd(bench: Bench, name: str) -> Any:
    return bench.deploy(compiled("tests/contracts/solidity/Corners.sol")[name])


def modes(bench: Bench, mode: int, ramp_s: int, *, turned: bool = False) -> Any:
    """A ModeView over two tokens' market prices."""
    legs = [bench.view(mode=0).address, bench.view("ETH/USD", 0).address]
    return bench.create("ModeView", *(legs[::-1] if turned else legs), mode, ramp_s, 18)


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_legs_the_older_the_worse_and_the_wider_counts_whichever_it_is(bench: Bench, turned: bool) -> None:
    """Of a mode and of a cross, with the legs in either order."""
    mode = modes(bench, 2, 0, turned=turned)
    legs = [mode.functions[n]().call() for n in ("market", "redemption")]
    made = [mode, bench.create("CrossView", *legs, 18)]
    now = bench.now
    bench.push(now, [Item(0, status=2 | 6 << 4, spread_bps=9)])
    bench.at(now + 20)
    bench.push(now + 5, [Item(1, redemption=0, status=1, spread_bps=3)])
    for one in made:
        assert one.functions.peek().call()[1:] == [now - 3, now, 2 | 6 << 4]
    assert made[0].functions.spreadBps().call() == 9
    bench.push(now + 10, [Item(0, status=1, spread_bps=1)])
    for one in made:
        assert one.functions.peek().call()[1:] == [now + 2, now + 5, 1]
    assert made[0].functions.spreadBps().call() == 3


@pytest.mark.parametrize("longer", [0, 1])
def test_the_longer_heartbeat_of_two_counts_whichever_it_is(bench: Bench, longer: int) -> None:
    beats = [60, 60]
    beats[longer] = 86_400
    ids = [n.ljust(32, b"\0") for n in (b"weETH/ETH", b"ETH/USD")]
    legs = [bench.create("FeedView", bench.store.address, i, 0, 18, s).address for i, s in zip(ids, beats, strict=True)]
    for view in (bench.create("ModeView", *legs, 2, 0, 18), bench.create("CrossView", *legs, 18)):
        assert view.functions.heartbeat().call() == 86_400


def test_a_round_from_before_the_last_poke_counts_from_the_poke_on(bench: Bench) -> None:
    """It was made before and landed after: the ramp does not go back behind what was noted."""
    legs = [bench.view(mode=0).address, bench.view(mode=1).address]
    view = bench.create("ModeView", *legs, 4, 1_000, 18)
    bench.push(bench.now, [Item(0, status=3)])
    bench.send(view.functions.poke())
    bench.at(bench.now + 300)
    bench.send(view.functions.poke())
    noted, before = bench.now, view.functions.rampPpm().call()
    bench.push(noted - 100, [Item(0, status=1)])
    after = view.functions.rampPpm().call()
    assert before - (bench.now - noted) * 1_000 == after
    assert after > 290_000


def test_a_strict_view_counts_from_the_time_of_the_sequencer_s_change_alone(bench: Bench) -> None:
    """startedAt; updatedAt moves whenever the status is said again. And a startedAt that nobody knows is not long ago."""
    feed = odd(bench, "OddSequencer")
    view = bench.create("StrictFeedView", bench.view().address, STRICT_AGE_S, feed.address, 100)
    bench.push(bench.now, [Item(0)])
    now = bench.now
    for started, updated, trouble in (
        (now - 1_000, now - 1_000, 0), (now - 10, now - 1_000, 4), (now - 1_000, now, 0), (now - 1_000, 0, 0),
        (0, now - 1_000, 4), (now + 10, now - 1_000, 4),
    ):  # fmt: skip
        bench.send(feed.functions.set(started, updated))
        assert view.functions.trouble().call() == trouble


def test_a_strict_view_has_no_time_and_no_answer_of_another_round(bench: Bench) -> None:
    view = bench.create("StrictFeedView", bench.view().address, STRICT_AGE_S, ZERO, 0).functions
    assert bench.refusal(view.getRoundData(0)) == ("Unusable", 1)
    bench.push(bench.now, [Item(0)])
    latest = view.latestRound().call()
    assert view.getTimestamp(latest).call() == view.latestTimestamp().call() > 0
    for other in (0, 1, latest - 1, latest + 1):
        assert view.getTimestamp(other).call() == view.getAnswer(other).call() == 0
        assert bench.refusal(view.getRoundData(other)) == ("Unusable", 1)


def test_a_store_that_answers_nothing_is_an_error_and_no_price(bench: Bench) -> None:
    store = odd(bench, "OddStore")
    view = bench.create("FeedView", store.address, b"x/y".ljust(32, b"\0"), 0, 18, 60)
    word = Item(7).word(bench.now)
    bench.send(store.functions.set(word, False))
    assert view.functions.getRate().call() == Item(7).market
    bench.send(store.functions.set(word, True))
    for name in ("peek", "latestRoundData", "latestAnswer"):
        with pytest.raises(ContractLogicError):
            view.functions[name]().call()


def test_an_id_of_32_bytes_is_named_in_full(bench: Bench) -> None:
    """Ours have 31 at most: only another store knows such a one."""
    store = odd(bench, "OddStore")
    view = bench.create("FeedView", store.address, b"a" * 27 + b"/ETH#", 0, 18, 60)
    assert view.functions.description().call() == "a" * 27 + " / ETH# (market)"


def test_too_little_gas_for_the_set_s_own_contract_sets_no_signers(bench: Bench) -> None:
    """The set's contract fails to be made with 63/64 of the gas: what is left must not go on with nobody in it."""
    many = [Web3.to_checksum_address(f"0x{i + 1:040x}") for i in range(40)]
    data, seen = bench.store.encode_abi("setSigners", args=[many, [1] * 40, 21, 21]), set()
    enough = bench.web3.eth.estimate_gas({"to": bench.store.address, "from": bench.owner.address, "data": data})
    for gas in range(enough - 350_000, enough, 50_000):
        seen.add(refusal(bench, data, gas))
    assert "BadSettings" in seen
    assert "" not in seen, "all of these are too little"
    assert bench.store.functions.nextSigners().call() == [0, 0]
    assert bench.store.functions.signerSet().call()[0] == 1


def refusal(bench: Bench, data: str, gas: int) -> str:
    """Name of the error of a call with so much gas; "gas" where it ran out."""
    asked = {"to": bench.store.address, "from": bench.owner.address, "data": data, "gas": gas}
    try:
        bench.web3.eth.call(asked)
    except ContractLogicError as e:
        return "BadSettings" if str(e.data) == BAD_SETTINGS else str(e)
    except (Web3RPCError, Web3Exception):
        return "gas"
    return ""


BAD_SETTINGS = "0x" + Web3.keccak(text="BadSettings()").hex()[:8]


def test_dia_says_nothing_of_what_has_no_room_in_its_number(bench: Bench) -> None:
    leg, other = bench.view(mode=0), bench.view("ETH/USD", 0)
    first = bench.create("CrossView", leg.address, other.address, 18)
    again = bench.create("CrossView", leg.address, other.address, 18)
    both = bench.create("CrossView", first.address, again.address, 18)
    dia = bench.create("DiaView", ["x", "y"], [both.address, first.address]).functions
    bench.push(bench.now, [Item(0, market=MOST), Item(1, market=MOST, redemption=0)])
    wad = first.functions.peek().call()[0]
    assert both.functions.peek().call()[0] // 10**10 >= 2**128
    assert dia.getValue("x").call() == [0, 0]
    assert dia.getValue("y").call()[0] == wad // 10**10


def test_a_price_too_small_for_their_decimals_is_none_to_dia_and_pyth(bench: Bench) -> None:
    """Neither a 0 with a time of now, nor a price of 0 with a confidence."""
    key = b"x".ljust(32, b"\0")
    source = bench.view(mode=0).address
    dia = bench.create("DiaView", ["x"], [source]).functions
    pyth = bench.create("PythView", [key], [source])
    bench.push(bench.now, [Item(0, market=10**10 - 1)])
    assert dia.getValue("x").call() == [0, 0]
    for call in (pyth.functions.getPriceUnsafe(key), pyth.functions.getPriceNoOlderThan(key, 60)):
        assert bench.refusal(call) == ("PriceFeedNotFound",)
    bench.push(bench.now + 1, [Item(0, market=10**10)])
    assert dia.getValue("x").call()[0] == pyth.functions.getPriceUnsafe(key).call()[0] == 1
