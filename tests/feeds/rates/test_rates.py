"""Rates: what the config may say, and how an answer becomes a rate."""

from __future__ import annotations

from typing import Any

import pytest

from feeds.errors import FeedError, NotPositive, OutOfRange, Reverted, WrongSymbol
from feeds.rates.call import RateCall
from feeds.rates.erc4626 import Erc4626
from feeds.types import ChainAdapter, Quote, Reply

WAD = 10**18
CONTRACT = "0x" + "12" * 20
ASSET = "0x" + "34" * 20


def words(*values: int) -> bytes:
    return b"".join((v % 2**256).to_bytes(32, "big") for v in values)


def answer(adapter: ChainAdapter, *replies: Reply) -> Quote:
    reading = adapter.read()
    next(reading)
    with pytest.raises(StopIteration) as done:
        reading.send(replies)
    quote = done.value.value
    assert isinstance(quote, Quote)
    return quote


def rate(**params: Any) -> RateCall:
    return RateCall(**{"contract": CONTRACT, "function": "getRate()", **params})


@pytest.mark.parametrize(
    ("params", "raw", "price"),
    [
        ({}, WAD, WAD),
        ({"scale": 27}, 105 * 10**25, 105 * 10**16),
        ({"scale": 27}, 105 * 10**25 + 10**9 - 1, 105 * 10**16),
        ({"scale": 8}, 105_000_001, 1_050_000_010_000_000_000),
        ({"scale": 0}, 3, 3 * WAD),
        ({"invert": True}, 3 * WAD, WAD // 3),
        ({"invert": True, "scale": 8}, 2 * 10**8, WAD // 2),
        ({"signed": True}, WAD, WAD),
    ],
)
def test_a_rate_is_scaled_and_rounded_down(params: dict[str, Any], raw: int, price: int) -> None:
    assert answer(rate(**params), words(raw)) == Quote(price_wad=price)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("params", "raw", "error"),
    [
        ({}, 0, NotPositive),
        ({"signed": True}, -1, NotPositive),
        ({}, -1, OutOfRange),
        ({}, 10**33 + 1, OutOfRange),
        ({}, 999, OutOfRange),
        ({"scale": 36}, 10**17, OutOfRange),
        ({"invert": True}, 10**37, OutOfRange),
        ({"invert": True}, 1, OutOfRange),
    ],
)
def test_an_absurd_rate_and_one_without_a_reciprocal_are_refused(
    params: dict[str, Any], raw: int, error: type[FeedError]
) -> None:
    with pytest.raises(error):
        answer(rate(**params), words(raw))


def test_every_rate_that_passes_has_a_reciprocal() -> None:
    for raw in (1_000, WAD, 10**33):
        assert WAD * WAD // answer(rate(), words(raw)).price_wad > 0


def test_the_word_asked_for_is_the_rate() -> None:
    assert answer(rate(returns=2), words(1, 2, WAD, 4)).price_wad == WAD
    with pytest.raises(FeedError, match="too short"):
        answer(rate(returns=2), words(1, 2))


def test_a_revert_is_the_sources_own_failure() -> None:
    with pytest.raises(Reverted):
        answer(rate(), Reverted("paused"))


def test_arguments_are_in_the_calldata() -> None:
    (call,) = next(rate(function="convertToAssets(uint256)", args=("1e18",)).read())
    assert call.to == bytes.fromhex("12" * 20)
    assert call.data.hex() == "07a2d13a" + f"{WAD:064x}"


def test_the_calls_are_made_once_for_all_rounds() -> None:
    assert next(rate().read()) is next(rate().read())


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"contract": "0x12"}, "not an address"),
        ({"contract": "0x" + "00" * 20}, "zero address"),
        ({"contract": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaee"}, "wrong checksum"),
        ({"function": "getRate"}, "name and types"),
        ({"function": "f(uint256)"}, "takes 1 arguments, 0 are given"),
        ({"function": "f(uint256[])", "args": ("1",)}, "not a function"),
        ({"function": "f(string)", "args": ("x",)}, "cannot be written"),
        ({"function": "f(uint8)", "args": ("256",)}, "does not fit uint8"),
        ({"function": "f(uint256)", "args": ("0.5",)}, "write an integer"),
        ({"function": "f(uint256)", "args": ("NaN",)}, "write an integer"),
        ({"function": "f(uint256)", "args": ("1e999999",)}, "write an integer"),
        ({"returns": 16}, "0 to 15"),
        ({"scale": 37}, "0 to 36"),
    ],
)
def test_the_config_is_told_what_to_write(params: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text.replace("[", r"\[")):
        rate(**params)


def vault(**params: Any) -> Erc4626:
    return Erc4626(**{"vault": CONTRACT, **params})


def test_a_share_is_worth_its_assets_whatever_the_decimals() -> None:
    assert answer(vault(), words(105 * 10**16)).price_wad == 105 * 10**16
    assert answer(vault(asset_decimals=6), words(1_050_000)).price_wad == 105 * 10**16
    (call,) = next(vault(share_decimals=24).read())
    assert int.from_bytes(call.data[4:], "big") == 10**24


def test_a_vault_of_another_asset_is_refused() -> None:
    assert answer(vault(asset=ASSET), words(WAD), words(int(ASSET, 16))).price_wad == WAD
    with pytest.raises(WrongSymbol):
        answer(vault(asset=ASSET), words(WAD), words(int(CONTRACT, 16)))


def test_a_share_without_assets_is_refused() -> None:
    with pytest.raises(NotPositive):
        answer(vault(), words(0))
    with pytest.raises(OutOfRange):
        answer(vault(asset_decimals=36), words(1))


def test_a_vaults_config_is_told_what_to_write() -> None:
    with pytest.raises(ValueError, match="share_decimals = 37"):
        vault(share_decimals=37)
    with pytest.raises(ValueError, match="not an address"):
        vault(asset="stETH")
