"""What each family of pools is asked, and what is made of the answers: pools of the shipped catalogue, alive and ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

from feeds.chains.abi import address, selector
from feeds.errors import Reverted, TimedOut
from feeds.types import Call, Reply
from oracle.check.catalog.depth import depth_question
from oracle.check.catalog.entries import entries_on
from oracle.check.catalog.findings import EntryFinding, EntryState, worst_of
from oracle.check.catalog.pools import expected_coins, pool_questions
from oracle.config.sections import parse
from oracle.config.tables.catalog import Catalog
from tests.oracle.config.tiny_contract import text, words

CATALOG: Catalog = parse({}).catalog
WAD = 10**18
OTHER = int("77" * 20, 16)
NATIVE = int("ee" * 20, 16)
Answer: TypeAlias = Reply | Callable[[bytes], Reply]
Answers: TypeAlias = Mapping[str, Answer]


def array(*values: int) -> bytes:
    return words(len(values), *values)


def arrays(*lists: list[int]) -> bytes:
    """Dynamic arrays one after the other, their offsets before them."""
    at, heads, bodies = 32 * len(lists), [], b""
    for values in lists:
        heads.append(at + len(bodies))
        bodies += array(*values)
    return words(*heads) + bodies


def pool_of(name: str, chain: str = "ethereum") -> Any:
    return next(p for p in CATALOG.pools if (p.name, p.chain) == (name, chain))


def coins_of(pool: Any) -> list[int]:
    return [int.from_bytes(where or b"", "big") for _, where in expected_coins(CATALOG, pool)]


def asked(pool: Any, answers: Answers, catalog: Catalog = CATALOG) -> tuple[EntryFinding, ...]:
    """Ask a pool for its facts; a function that is not among the answers reverts."""
    by_selector = {selector(name): answer for name, answer in answers.items()}

    def reply(call: Call) -> Reply:
        answer = by_selector.get(call.data[:4], Reverted("no such function"))
        return answer(call.data[4:]) if callable(answer) else answer

    (question,) = pool_questions(catalog, pool)
    asking = question.answered(0)
    try:
        calls = next(asking)
        for _ in range(2):
            calls = asking.send(tuple(reply(c) for c in calls))
    except StopIteration as done:
        found: tuple[EntryFinding, ...] = done.value
        return found
    raise AssertionError("asked more than twice")


def told(findings: tuple[EntryFinding, ...], state: EntryState) -> str:
    return "\n".join(f"{f.what}: {f.text}" for f in findings if f.state is state)


# --- the answers of a pool that is as the catalogue says -------------------------------------------------------------------


def concentrated(pool: Any) -> dict[str, Answer]:
    first, second = coins_of(pool)
    fee = pool.fee_millionths or 100
    return {
        "token0()": words(first), "token1()": words(second), "liquidity()": words(WAD), "fee()": words(fee),
        "tickSpacing()": words(1),
    }  # fmt: skip


def constant_product(pool: Any) -> dict[str, Answer]:
    first, second = coins_of(pool)
    return {"token0()": words(first), "token1()": words(second), "getReserves()": words(WAD, WAD, 1)}


def curve(pool: Any) -> dict[str, Answer]:
    held = coins_of(pool)

    def coin(data: bytes) -> Reply:
        i = int.from_bytes(data, "big")
        return words(held[i]) if i < len(held) else Reverted("no such coin")

    return {"coins(uint256)": coin, "balances(uint256)": words(WAD)}


def vault_of_two(pool: Any) -> dict[str, Answer]:
    own = int.from_bytes(address(pool.address), "big")
    held = coins_of(pool)
    share = [own] if "BPT" in pool.coins else []
    tokens = sorted(held + share)
    return {
        "getPoolId()": bytes.fromhex((pool.pool_id or "0x" + "11" * 32)[2:]),
        "getVault()": words(int(pool.vault, 16)),
        "getPausedState()": words(0, 1, 1),
        "inRecoveryMode()": words(0),
        "getSwapFeePercentage()": words(4 * 10**14),
        "getPoolTokens(bytes32)": words(96, 96 + 32 * (len(tokens) + 1), 5)
        + array(*tokens)
        + array(*(WAD for _ in tokens)),
    }


def vault_of_three(pool: Any) -> dict[str, Answer]:
    held = coins_of(pool)
    return {
        "isPoolPaused(address)": words(0), "isPoolInRecoveryMode(address)": words(0), "isVaultPaused()": words(0),
        "getPoolTokens(address)": arrays(held), "getCurrentLiveBalances(address)": arrays([WAD for _ in held]),
    }  # fmt: skip


def fluid(pool: Any) -> dict[str, Answer]:
    return {"getPoolReserves(address)": words(int(pool.address, 16), *coins_of(pool), 100, *(WAD for _ in range(22)))}


def maverick(pool: Any) -> dict[str, Answer]:
    weth = int(CATALOG.address_of("WETH", pool.chain) or "", 16)
    first, second = (weth if c == NATIVE else c for c in coins_of(pool))
    return {"tokenA()": words(first), "tokenB()": words(second), "tickSpacing()": words(10)}


def by_key(pool: Any) -> dict[str, Answer]:
    return {"getSlot0(bytes32)": words(1 << 96, 0, 0, pool.fee_millionths), "getLiquidity(bytes32)": words(WAD)}


ALIVE: Mapping[str, Callable[[Any], dict[str, Answer]]] = {
    "uniswap_v3": concentrated, "pancakeswap_v3": concentrated, "slipstream": concentrated,
    "uniswap_v2": constant_product, "velodrome_v2": constant_product,
    "curve_plain": curve, "curve_ng": curve, "curve_crypto": curve, "curve_steth_ng": curve,
    "balancer_stable": vault_of_two, "balancer_meta": vault_of_two, "gyro_eclp": vault_of_two,
    "balancer_v3": vault_of_three, "fluid": fluid, "maverick_v1": maverick, "uniswap_v4": by_key,
}  # fmt: skip
WHOLE = [p for p in CATALOG.pools if p.is_placed and all(a is not None for _, a in expected_coins(CATALOG, p))]


@pytest.mark.parametrize("pool", WHOLE, ids=lambda p: f"{p.name}@{p.chain}")
def test_a_pool_that_is_as_the_catalogue_says_is_fine(pool: Any) -> None:
    """Every pool whose coins are known, by the answers that its family's contracts give."""
    findings = asked(pool, ALIVE[pool.family](pool))
    wrong = [f for f in findings if f.state is not EntryState.FINE and f.what != "pool_id"]
    assert wrong == []


@pytest.mark.parametrize(
    ("name", "changes", "state", "text"),
    [
        ("uniswap_v3 wstETH/WETH 0.01%", {"liquidity()": words(0)}, "dead", "reserves: drained"),
        ("uniswap_v3 wstETH/WETH 0.01%", {"token1()": words(OTHER)}, "changed", "coins: holds 0x7777"),
        ("uniswap_v3 wstETH/WETH 0.01%", {"fee()": words(500)}, "changed", "fee: charges 500 millionths, the catalogue says 100"),
        ("uniswap_v2 stETH/WETH", {"getReserves()": words(0, 1, 1)}, "dead", "reserves: drained"),
        ("curve_ng weETH/WETH", {"balances(uint256)": words(0)}, "dead", "reserves: drained"),
        ("curve_ng weETH/WETH", {"is_killed()": words(1)}, "dead", "paused: it is killed"),
        ("curve_ng weETH/WETH", {"is_killed()": words(0)}, "fine", "coins: holds"),
        ("curve_ng weETH/WETH", {"is_killed()": b""}, "fine", "coins: holds"),
        ("curve_ng weETH/WETH", {"coins(uint256)": words(OTHER)}, "changed", "holds 3 coins"),
        ("balancer_stable WETH/osETH", {"getPausedState()": words(1, 1, 1)}, "dead", "paused: it is paused"),
        ("balancer_stable WETH/osETH", {"inRecoveryMode()": words(1)}, "dead", "paused: it is in recovery mode"),
        ("balancer_stable WETH/osETH", {"inRecoveryMode()": Reverted("none")}, "fine", "coins: holds WETH, osETH"),
        ("balancer_stable WETH/osETH", {"getPoolId()": b"\x11" * 32}, "changed", "pool_id: its id is 0x1111"),
        ("balancer_stable WETH/osETH", {"getVault()": words(OTHER)}, "changed", "vault: its vault is 0x7777"),
        ("balancer_v3 waEthWETH/osETH", {"isPoolPaused(address)": words(1)}, "dead", "paused: it is paused"),
        ("balancer_v3 waEthWETH/osETH", {"isVaultPaused()": words(1)}, "dead", "paused: the Vault is paused"),
        ("balancer_v3 waEthWETH/osETH", {"isPoolInRecoveryMode(address)": words(1)}, "dead", "in recovery mode"),
        ("balancer_v3 waEthWETH/osETH", {"getCurrentLiveBalances(address)": arrays([0, WAD])}, "dead", "drained"),
        ("balancer_v3 waEthWETH/osETH", {"getPoolTokens(address)": arrays([OTHER, 1])}, "changed", "coins: holds 0x7777"),
        ("maverick_v1 wstETH/WETH", {"tokenA()": words(OTHER)}, "changed", "coins: holds 0x7777"),
        ("uniswap_v4 ETH/wstETH 0.01%", {"getSlot0(bytes32)": words(0, 0, 0, 0)}, "dead", "it was never initialised"),
        ("uniswap_v4 ETH/wstETH 0.01%", {"getLiquidity(bytes32)": words(0)}, "dead", "reserves: drained"),
        ("uniswap_v4 ETH/wstETH 0.01%", {"getSlot0(bytes32)": words(1, 0, 0, 7)}, "changed", "fee: charges 7 millionths"),
    ],
)  # fmt: skip
def test_what_ended_or_changed_is_told(name: str, changes: Answers, state: str, text: str) -> None:
    pool = pool_of(name)
    findings = asked(pool, {**ALIVE[pool.family](pool), **changes})
    assert text in told(findings, EntryState(state))
    assert worst_of(findings) is EntryState(state)


def test_a_fluid_pool_without_reserves_is_drained_whatever_its_layout() -> None:
    pool = pool_of("fluid wstETH/ETH")
    for centre in ((), (WAD,)):
        head = (int(pool.address, 16), *coins_of(pool), 100, *centre)
        drained = asked(pool, {"getPoolReserves(address)": words(*head, *(0 for _ in range(22)))})
        assert "reserves: drained" in told(drained, EntryState.DEAD)
        alive = asked(pool, {"getPoolReserves(address)": words(*head, *(1 for _ in range(22)))})
        assert worst_of(alive) is EntryState.FINE


def test_coins_in_another_order_are_told_as_such() -> None:
    pool = pool_of("uniswap_v3 wstETH/WETH 0.01%")
    first, second = coins_of(pool)
    findings = asked(pool, {**concentrated(pool), "token0()": words(second), "token1()": words(first)})
    assert told(findings, EntryState.CHANGED) == "coins: holds its coins in another order: WETH, wstETH"


def test_a_contract_that_answers_nothing_is_dead_and_an_endpoint_that_answers_nothing_is_not() -> None:
    pool = pool_of("uniswap_v3 wstETH/WETH 0.01%")
    names = concentrated(pool)
    assert worst_of(asked(pool, dict.fromkeys(names, b""))) is EntryState.DEAD
    assert worst_of(asked(pool, dict.fromkeys(names, Reverted("x")))) is EntryState.DEAD
    assert worst_of(asked(pool, dict.fromkeys(names, TimedOut(endpoint="x")))) is EntryState.UNASKED


def test_a_coin_of_unknown_address_is_asked_its_name() -> None:
    pool = pool_of("fluid rsETH/ETH", "base")
    rseth = CATALOG.tokens["rsETH"]
    nowhere = replace(rseth, address={c: a for c, a in rseth.address.items() if c != "base"})
    catalog = replace(CATALOG, tokens={**CATALOG.tokens, "rsETH": nowhere})
    held = [OTHER if a is None else int.from_bytes(a, "big") for _, a in expected_coins(catalog, pool)]
    answers = {"getPoolReserves(address)": words(int(pool.address, 16), *held, 100, *(WAD for _ in range(22)))}
    right = asked(pool, {**answers, "symbol()": text("rsETH")}, catalog)
    assert "rsETH is 0x7777" in told(right, EntryState.FINE)
    assert worst_of(right) is EntryState.FINE
    assert "coins: holds wrsETH" in told(
        asked(pool, {**answers, "symbol()": text("wrsETH")}, catalog), EntryState.CHANGED
    )
    assert "does not answer as a token" in told(asked(pool, answers, catalog), EntryState.DEAD)


def test_a_pool_that_cannot_be_read_says_which_fact_is_missing() -> None:
    for pool in CATALOG.pools:
        question = depth_question(CATALOG, pool, "1")
        asking = question.ask(0)
        try:
            next(asking)
        except StopIteration as done:
            (finding,) = done.value
            assert finding.state is EntryState.UNREAD
            assert pool.missing in {finding.text, finding.text.partition("; ")[0]}, (pool.name, finding.text)
        else:
            asking.close()
            assert pool.missing is None, pool.name


def test_what_is_not_placed_is_unread_and_says_why() -> None:
    entries = {e.name: e for e in entries_on(CATALOG, "ethereum", "1")}
    entry = entries["uniswap_v4 weETH/wstETH 0.01%"]
    (question,) = entry.questions
    with pytest.raises(StopIteration) as done:
        next(question.ask(0))
    (finding,) = done.value.value
    assert (finding.state, "were not published" in finding.text) == (EntryState.UNREAD, True)
