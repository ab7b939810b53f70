"""What collateral is worth: laws of docs/invariants.md, each under its name there, on the demo's divETH and wdivETH."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_abi import encode
from eth_utils.crypto import keccak

import contracts
from tests.contracts.contract_tools import compiled
from tests.contracts.evm_process import OWNER, STRANGER, Evm
from tests.contracts.stake.stake_world import DAY_S, ETHER, SOURCES, ZERO, error_in, operator
from tests.contracts.stake.weights_model import BPS

DEMO = Path(__file__).parent.parent.parent.parent / "demo" / "artifacts"
GET_RATE = keccak(text="getRate()")[:4]
CAP_BPS, SHARE_BPS = 500, 6_000
YEAR_S, CONFIRM_S = 365 * DAY_S, 3_600
WETH = operator(500)
RECEIPT = operator(501)
LISTING = "(address,address,bytes4,uint16,uint16)"


@dataclass
class Collateral:
    """A real wdivETH, WETH one to one, and a receipt whose rate says what it is told."""

    evm: Evm
    values: str
    div_eth: str
    token: str
    rate: str

    def value(self, token: str, amount: int = ETHER) -> int:
        return int(self.evm.ok(self.values, "valueOf", token, amount))

    def refusal(self, token: str) -> str:
        return self.evm.call(self.values, "valueOf", token, ETHER)[0]

    def refresh(self, token: str = "") -> None:
        self.evm.ok(self.values, "refresh", token or self.token, sender=STRANGER)

    def real(self) -> int:
        """What a wdivETH says."""
        return int(self.evm.ok(self.token, "getRate"))

    def told(self, rate: int) -> None:
        """What the receipt says from now on."""
        self.evm.ok(self.rate, "tell", rate, 0)

    def rebase(self, percent: int) -> None:
        """The accounting's report: so much more or less of all ether."""
        total = self.evm.ok(self.div_eth, "totalEther") * (100 + percent) // 100
        self.evm.ok(self.div_eth, "rebase", self.evm.now, DAY_S, total, 0)


def floor(rate: int) -> int:
    """The least that counts of a recorded rate before a fall was seen twice."""
    return rate * (BPS - 500) // BPS


def listings(token: str, rate: str) -> list[tuple[Any, ...]]:
    return [
        (token, token, GET_RATE, BPS, CAP_BPS),
        (WETH, ZERO, b"\0" * 4, BPS, 0),
        (RECEIPT, rate, GET_RATE, SHARE_BPS, 1_000),
    ]


@pytest.fixture
def world() -> Collateral:
    evm = Evm()
    div_eth = evm.create(contracts.load("DivETH", DEMO))
    token = evm.create(contracts.load("WdivETH", DEMO), div_eth)
    evm.evm.message_call(OWNER, div_eth, keccak(text="deposit()")[:4], value=1_000 * ETHER)
    rate = evm.create(compiled(SOURCES)["ToldRate"])
    values = evm.create(contracts.load("CollateralValues"), listings(token, rate))
    return Collateral(evm, values, div_eth, token, rate)


def test_collateral_is_worth_what_its_own_contract_says(world: Collateral) -> None:
    assert world.value(world.token) == ETHER
    world.evm.jump(YEAR_S)
    world.rebase(3)
    real = world.evm.ok(world.token, "getRate")
    assert real == pytest.approx(ETHER * 103 // 100, abs=2)
    assert world.value(world.token) == real
    assert world.value(world.token, 7) == 7 * real // ETHER
    assert world.value(WETH, 12_345) == 12_345
    assert world.value(RECEIPT) == ETHER * SHARE_BPS // BPS
    assert world.evm.ok(world.values, "tokens") == (world.token, WETH, RECEIPT)
    assert [world.evm.ok(world.values, "isCollateral", t) for t in (world.token, STRANGER)] == [True, False]
    assert world.refusal(STRANGER) == "NoCollateral"
    assert world.evm.call(world.values, "refresh", STRANGER)[0] == "NoCollateral"
    assert world.evm.call(world.values, "limitOf", STRANGER)[0] == "NoCollateral"


def test_no_gift_raises_stake_faster_than_the_cap(world: Collateral) -> None:
    """A rebase by half, and shares that somebody burns for everybody: what counts grows by the cap, refreshed or not."""
    start = world.value(world.token)
    world.rebase(50)
    world.evm.ok(world.div_eth, "burnShares", 300 * ETHER)
    assert world.evm.ok(world.token, "getRate") > 2 * ETHER
    assert world.value(world.token) == start
    for day in range(1, 30):
        world.evm.jump(DAY_S)
        if day % 3:
            world.evm.ok(world.values, "refresh", world.token, sender=STRANGER)
        grown = start * CAP_BPS * day * DAY_S // (BPS * YEAR_S)
        assert start + grown - day <= world.value(world.token) <= start + grown * 101 // 100


def test_a_fall_that_lasts_counts_whole_within_an_hour(world: Collateral) -> None:
    """A twentieth of it at once; the rest when it was seen twice. The limit grows from there."""
    world.evm.jump(YEAR_S)
    world.rebase(4)
    world.refresh()
    before = world.value(world.token)
    world.rebase(-3)
    assert world.value(world.token) == world.real(), "a small fall"
    world.rebase(-40)
    fallen = world.real()
    assert fallen < before * 60 // 100
    assert world.value(world.token) == floor(before)
    world.refresh()
    world.evm.jump(CONFIRM_S - 1)
    world.refresh()
    assert world.value(world.token) == floor(before)
    world.evm.jump(1)
    assert world.value(world.token) == floor(before), "nobody saw it again"
    world.refresh()
    assert world.value(world.token) == fallen
    world.rebase(60)
    assert world.value(world.token) == fallen, "it grows from there"
    assert world.evm.ok(world.values, "limitOf", world.token) == fallen
    world.evm.jump(YEAR_S)
    assert world.value(world.token) == fallen + fallen * CAP_BPS // BPS


def test_a_dip_for_one_call_takes_a_twentieth_at_most(world: Collateral) -> None:
    """However deep, however often within an hour, and next to nothing stays of it."""
    for _ in range(6):
        world.told(ETHER // 100)
        assert world.value(RECEIPT) == floor(ETHER) * SHARE_BPS // BPS
        world.refresh(RECEIPT)
        assert world.value(RECEIPT) == floor(ETHER) * SHARE_BPS // BPS
        assert world.evm.ok(world.values, "recordedValueOf", RECEIPT, ETHER) == floor(ETHER) * SHARE_BPS // BPS
        world.told(ETHER)
        assert world.value(RECEIPT) == ETHER * SHARE_BPS // BPS
        assert world.evm.ok(world.values, "limitOf", RECEIPT) == pytest.approx(ETHER, rel=10**-4)
        world.evm.jump(CONFIRM_S // 10)


def test_two_dips_are_no_fall_if_anybody_looks_between_them(world: Collateral) -> None:
    world.told(ETHER // 2)
    world.refresh(RECEIPT)
    world.evm.jump(CONFIRM_S // 2)
    world.told(ETHER)
    world.refresh(RECEIPT)
    world.evm.jump(CONFIRM_S // 2)
    world.told(ETHER // 2)
    world.refresh(RECEIPT)
    world.told(ETHER)
    assert world.value(RECEIPT) == ETHER * SHARE_BPS // BPS
    # of a fall between them no more is recorded than what was seen of it
    world.refresh(RECEIPT)
    for rate in (ETHER // 3, ETHER * 99 // 100, ETHER // 4):
        world.evm.jump(CONFIRM_S // 2)
        world.told(rate)
        world.refresh(RECEIPT)
    world.told(ETHER)
    assert world.value(RECEIPT) == pytest.approx(ETHER * 99 // 100 * SHARE_BPS // BPS, rel=10**-3)


def test_a_record_that_is_old_holds_no_rate_up(world: Collateral) -> None:
    """Who does not see to it within two days has what the token says now. A dip is recorded no sooner for that."""
    world.evm.jump(2 * DAY_S)
    world.told(ETHER // 2)
    assert world.value(RECEIPT) == floor(ETHER) * SHARE_BPS // BPS
    world.evm.jump(1)
    assert world.value(RECEIPT) == ETHER // 2 * SHARE_BPS // BPS
    world.refresh(RECEIPT)
    world.told(ETHER)
    assert world.value(RECEIPT) == ETHER * SHARE_BPS // BPS
    world.refresh(RECEIPT)
    world.told(ETHER // 2)
    assert world.value(RECEIPT) == floor(ETHER) * SHARE_BPS // BPS


@pytest.mark.parametrize(("rate", "manner"), [(ETHER, 1), (ETHER, 2), (ETHER, 3), (0, 0), (2**128, 0)])
def test_a_rate_that_cannot_be_read_is_no_value(world: Collateral, rate: int, manner: int) -> None:
    world.evm.ok(world.rate, "tell", rate, manner)
    assert world.refusal(RECEIPT) == "NoTokenRate"
    assert world.evm.call(world.values, "refresh", RECEIPT)[0] == "NoTokenRate"
    assert world.evm.evm.result.gas_used < 200_000
    assert world.value(world.token) == ETHER, "others are not touched"


def test_a_recorded_value_is_two_days_old_at_most(world: Collateral) -> None:
    """By the rate that was recorded last, whatever the token's contract does now; and it never reverts."""

    def recorded(token: str, amount: int = ETHER) -> int:
        return int(world.evm.ok(world.values, "recordedValueOf", token, amount))

    assert recorded(world.token) == ETHER
    world.rebase(-10)
    assert recorded(world.token) == ETHER
    world.evm.jump(2 * DAY_S)
    world.evm.ok(world.values, "refresh", world.token)
    assert recorded(world.token) == world.value(world.token)
    assert recorded(RECEIPT) == ETHER * SHARE_BPS // BPS
    world.evm.ok(world.rate, "tell", ETHER, 1)
    assert recorded(RECEIPT) == ETHER * SHARE_BPS // BPS
    world.evm.jump(1)
    assert [recorded(t) for t in (RECEIPT, WETH, STRANGER)] == [0, ETHER, 0]
    assert [recorded(t, 2**256 - 1) for t in (world.token, WETH)] == [0, 0]


def test_a_caller_with_little_gas_gets_no_value(world: Collateral) -> None:
    stingy = world.evm.create(compiled(SOURCES)["Stingy"])
    data = keccak(text="refresh(address)")[:4] + encode(["address"], [world.token])
    told = [world.evm.ok(stingy, "call", world.values, data, gas) for gas in range(10_000, 200_000, 5_000)]
    assert {bytes(answer)[:4] for done, answer in told if not done} == {keccak(text="GasTooLow()")[:4]}
    assert told[-1][0]


@pytest.mark.parametrize(
    ("position", "change"),
    [
        (0, (ZERO, None, None, None, None)),
        (1, (None, None, None, 0, None)),
        (1, (None, None, None, BPS + 1, None)),
        (2, (None, None, None, None, BPS + 1)),
        (2, (WETH, None, None, None, None)),
    ],
)
def test_a_bad_list_is_refused(world: Collateral, position: int, change: tuple[Any, ...]) -> None:
    good = listings(world.token, world.rate)
    bad = [*good]
    bad[position] = tuple(o if c is None else c for o, c in zip(good[position], change, strict=True))
    for table, error in ((good, ""), (bad, "BadListing"), ([], "BadListing")):
        assert deployed(world.evm, table) == error


def test_a_token_without_a_rate_is_not_listed(world: Collateral) -> None:
    one = (RECEIPT, STRANGER, GET_RATE, BPS, 0)
    assert deployed(world.evm, [one]) == "NoTokenRate"
    many = [(operator(i), ZERO, b"\0" * 4, BPS, 0) for i in range(1, 34)]
    assert deployed(world.evm, many) == "BadListing"
    assert deployed(world.evm, many[:32]) == ""


def deployed(evm: Evm, table: list[tuple[Any, ...]]) -> str:
    """The error with which a list is refused."""
    try:
        evm.evm.deploy(OWNER, contracts.load("CollateralValues").bytecode + encode([LISTING + "[]"], [table]))
    except RuntimeError as e:
        return error_in(str(e))
    return ""
