"""The invariants of docs/invariants.md on a real chain, each under its name there; see also test_guards."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from web3 import Web3

from demo.world import anvil
from tests.contracts.contract_tools import KEYS, WAD, Bench, Item, connected, signatures, typed_digest

pytestmark = pytest.mark.chain
DOC = Path(__file__).parent.parent.parent / "docs" / "invariants.md"
NAMES = (b"weETH/ETH", b"ETH/USD", b"pufETH/ETH")
FIRST_S = 1_999_999_000
LOW_32 = 2**32 - 1


@pytest.fixture(scope="module")
def web3() -> Iterator[Web3]:
    with anvil.running(extra=("--timestamp", str(FIRST_S))) as running, connected(running.url) as w:
        yield w


@pytest.fixture
def bench(web3: Web3) -> Bench:
    made = Bench(web3, max_age=3_600)
    made.register("weETH/ETH")
    made.register("ETH/USD", redemption=False)
    made.register("pufETH/ETH", market=False)
    return made


def view(bench: Bench, index: int = 0, mode: int = 2, decimals: int = 18) -> Any:
    return bench.create("FeedView", bench.store.address, NAMES[index].ljust(32, b"\0"), mode, decimals, 3_600)


def random_item(rng: random.Random, index: int) -> Item:
    market, redemption = (rng.choice([1, 2**88 - 1, rng.randrange(1, 2**88)]) for _ in range(2))
    return Item(
        index,
        market=0 if index == 2 else market,
        redemption=0 if index == 1 else redemption,
        spread_bps=rng.randrange(2**14),
        status=rng.randrange(1, 4) | rng.randrange(16) << 4,
        market_age_s=rng.randrange(2**16),
        redemption_age_h=rng.randrange(2**8),
    )


def test_the_store_is_what_a_model_in_python_is(bench: Bench) -> None:
    """A seeded fuzz over good and bad pushes: result and every word, at every step."""
    rng = random.Random(5)
    base, seen = bench.now, set()
    model = {i: bench.word(i) for i in range(3)}
    for _ in range(60):
        round_time = base + rng.randrange(25)
        items = [random_item(rng, rng.choice([0, 1, 2])) for _ in range(rng.randrange(1, 4))]
        if rng.random() < 0.15:
            items.append(Item(2))
        who = rng.choice([(0, 1), (0, 2), (1, 2), (0, 1, 2), (1,)])
        after, result = expected(model, round_time, items, who)
        seen.add(result)
        if result:
            assert bench.push_refused(round_time, items, who=who) == result
        else:
            bench.push(round_time, items, who=who)
        assert {i: bench.word(i) for i in model} == after
        model = after
    assert seen == {"", "NothingNew", "BelowThreshold", "WrongPresence"}


def expected(
    model: dict[int, int], round_time: int, items: list[Item], who: tuple[int, ...]
) -> tuple[dict[int, int], str]:
    """The store after a push, and the error of the push, "" for none."""
    if len(who) < 2:
        return model, "BelowThreshold"
    after = dict(model)
    for item in items:
        if round_time <= after[item.index] & LOW_32:
            continue
        if (item.market != 0, item.redemption != 0) != ((True, True), (True, False), (False, True))[item.index]:
            return model, "WrongPresence"
        after[item.index] = item.word(round_time)
    return after, "" if after != model else "NothingNew"


def test_round_time_never_decreases(bench: Bench) -> None:
    now, last = bench.now, 0
    for offset_s in (5, 3, 5, 6, 0, 30, 29, -3_000):
        if offset_s + now > last:
            bench.push(now + offset_s, [Item(0)])
        else:
            assert bench.push_refused(now + offset_s, [Item(0, market=1)]) == "NothingNew"
        assert bench.word(0) & LOW_32 >= last
        last = bench.word(0) & LOW_32
    assert last == now + 30


def test_absent_field_stays_absent(bench: Bench) -> None:
    now = bench.now
    absent = {0: [Item(0, market=0), Item(0, redemption=0)], 1: [Item(1)], 2: [Item(2)]}
    good = {0: Item(0), 1: Item(1, redemption=0), 2: Item(2, market=0)}
    for at in (now, now + 1):
        for index, bad in absent.items():
            assert {bench.push_refused(at, [b]) for b in bad} == {"WrongPresence"}
            assert bench.push_refused(at, [Item(index, market=0, redemption=0)]) == "WrongPresence"
            bench.push(at, [good[index]])
            assert bench.word(index) == good[index].word(at)


def test_below_threshold_writes_nothing(web3: Web3) -> None:
    bench = Bench(web3, weights=(3, 2, 1, 1), threshold=5)
    bench.register("weETH/ETH")
    empty = bench.word(0)
    for who in ((), (0,), (1,), (0, 2), (1, 2, 3)):
        assert bench.push_refused(bench.now, [Item(0)], who=who) == "BelowThreshold"
        assert bench.word(0) == empty
    bench.push(bench.now, [Item(0)], who=(0, 1))
    bench.push(bench.now + 1, [Item(0)], who=(0, 2, 3))


def test_a_view_never_answers_more_than_the_wad(bench: Bench) -> None:
    rng = random.Random(7)
    legs = [view(bench, 0), view(bench, 1, mode=0, decimals=8)]
    views = [view(bench, 0, mode, decimals) for mode in range(4) for decimals in (1, 8, 17, 18)]
    views += [bench.create("CrossView", *(leg.address for leg in legs), d) for d in (1, 8, 18)]
    for turn in range(4):
        bench.push(bench.now + turn + 1, [random_item(rng, 0), random_item(rng, 1)])
        for one in views:
            wad, answer, decimals = (one.functions[f]().call() for f in ("peek", "latestAnswer", "decimals"))
            unit = 10 ** (18 - decimals)
            assert answer * unit <= wad[0] < (answer + 1) * unit
        (a, *_), (b, *_) = (leg.functions.peek().call() for leg in legs)
        assert views[-1].functions.getRate().call() == a * b // WAD


def test_an_index_keeps_its_id(bench: Bench) -> None:
    functions = bench.store.functions
    for _ in range(2):
        for index, name in enumerate(NAMES):
            assert functions.idAt(index).call().rstrip(b"\0") == name
            assert functions.indexOf(name.ljust(32, b"\0")).call() == index
            assert bench.refused(functions.register(name.ljust(32, b"\0"), True, True, 0)) == "BadId"
        assert [functions.presence(i).call() for i in range(3)] == [[True, True], [True, False], [False, True]]
        bench.push(bench.now + 10 * bench.epoch, [Item(0), Item(1, redemption=0), Item(2, market=0)])
        bench.register(f"more{bench.epoch}/ETH")
        bench.send(functions.setSigners([Account.from_key(k).address for k in KEYS[:3]], [1, 1, 1], 2, 2))
        bench.epoch += 1
    assert functions.count().call() == 5
    assert bench.refused(functions.idAt(5)) == "UnknownIndex"


def test_a_signature_is_worth_nothing_elsewhere(bench: Bench, web3: Web3) -> None:
    other = Bench(web3, max_age=3_600)
    other.register("weETH/ETH")
    now = bench.now
    batch = bench.batch(now, [Item(0)])
    signed = signatures(bench.digest(batch), (0, 1))
    assert other.refusal(other.store.functions.push(batch, signed)) == ("BadSignature", 0)
    push = bench.store.functions.push
    on_other_chain = signatures(typed_digest(1, bench.store.address, 1, now, batch[10:]), (0, 1))
    assert bench.refusal(push(batch, on_other_chain)) == ("BadSignature", 0)
    for changed in (bench.batch(now + 1, [Item(0)]), bench.batch(now, [Item(0, spread_bps=8)]), batch + batch[10:]):
        assert bench.refusal(push(changed, signed)) == ("BadSignature", 0)
    bench.send(bench.store.functions.setSigners([Account.from_key(k).address for k in KEYS[:3]], [1, 1, 1], 2, 2))
    assert bench.refusal(push(batch, signed)) == ("WrongEpoch", 1, 2)
    assert bench.refusal(push(bench.batch(now, [Item(0)], epoch=2), signed)) == ("BadSignature", 0)
    bench.epoch = 2
    bench.push(bench.now, [Item(0)])


def test_updated_at_is_never_in_the_future(bench: Bench, web3: Web3) -> None:
    ahead = bench.now + 29
    bench.push(ahead, [Item(0, market_age_s=2), Item(1, redemption=0, market_age_s=0)])
    views = {mode: view(bench, mode=mode) for mode in range(4)}
    cross = bench.create("CrossView", views[3].address, view(bench, 1, 0).address, 18)
    assert bench.now < ahead - 2
    for at in (bench.now, ahead - 1, ahead, ahead + 5_000):
        if at > bench.now:
            for method, params in (("evm_setNextBlockTimestamp", [at]), ("evm_mine", [])):
                assert "error" not in web3.provider.make_request(method, params)  # type: ignore[arg-type]
        head = bench.now
        for mode, one in (*views.items(), (4, cross)):
            updated = one.functions.latestRoundData().call()[3]
            assert updated == min(head, ahead if mode == 1 else ahead - 2)
            assert one.functions.latestTimestamp().call() == one.functions.readWithAge().call()[1] == updated


def test_every_invariant_of_the_docs_has_its_test() -> None:
    listed = re.findall(r"^- `(\w+)`", DOC.read_text(encoding="utf-8"), re.MULTILINE)
    others = [
        Path(__file__).parent.parent / "oracle" / room
        for room in (
            "agree",
            "cli",
            "deploy",
            "keep",
            "reload",
            "rewards",
            "serve",
            "sign",
            "stake",
            "storage",
            "watch",
        )
    ]
    others.append(Path(__file__).parent.parent / "e2e")
    files = (*Path(__file__).parent.rglob("test_*.py"), *(p for room in others for p in room.rglob("test_*.py")))
    tests = "".join(p.read_text(encoding="utf-8") for p in files)
    assert len(listed) == len(set(listed)) >= 55
    assert [name for name in listed if f"def test_{name}(" not in tests] == []
