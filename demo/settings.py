"""The demo's config.toml for a deployed world: the same format and the same checks as in production."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from demo.world.deploy import DemoWorld

PASSPHRASE_ENV = "LRT_ORACLE_PASSPHRASE"
GAS_PASSPHRASE_ENV = "LRT_ORACLE_GAS_PASSPHRASE"
OPERATORS = ("alpha", "beta", "gamma")
WITHOUT = {"alpha": "binance", "beta": "coinbase", "gamma": "kraken"}
"""Each operator leaves out one venue, so no two of them have the same sources."""
MAX_PUSH_AGE_S = 20
PUSHED = ("wdivETH/ETH", "divETH/ETH", "demoLRT/ETH", "ETH/USD")
SYMBOLS: Mapping[str, Mapping[str, str]] = {
    "coinbase": {"ETH/USD": "ETH-USD", "wdivETH/ETH": "WDIVETH-ETH", "USDT/USD": "USDT-USD"},
    "kraken": {"ETH/USD": "ETH/USD", "wdivETH/ETH": "WDIVETH/ETH", "USDT/USD": "USDT/USD"},
    "binance": {"ETH/USDT": "ETHUSDT", "wdivETH/ETH": "WDIVETHETH", "demoLRT/ETH": "DEMOLRTETH"},
}

_BANDS = """
watch_bps = 100
depeg_bps = 300
watch_dwell_s = 2
depeg_dwell_s = 3
leave_dwell_s = 3
slash_hold_s = 20
"""


def config_text(
    world: DemoWorld,
    *,
    rpc_urls: tuple[str, ...],
    venues: Mapping[str, tuple[str, str]],
    store: str,
    folder: Path,
    port: int,
    operators: Mapping[str, str] = WITHOUT,
    interval_s: int = 1,
    pays: bool = True,
) -> str:
    """The config of a demo run.

    Args:
        world: the deployed world.
        rpc_urls: HTTP endpoints of its chain.
        venues: name -> (ws_url, rest_url).
        store: address of the PriceStore.
        folder: of the database, keys and journals.
        port: of the local endpoint.
        operators: those of this process, each with the venue that it leaves out, "" for none.
        interval_s: between rounds.
        pays: whether there is a gas key.
    """
    parts = [
        _process(folder, port, interval_s),
        _chain(world, rpc_urls),
        *(_venue(n, *urls) for n, urls in venues.items()),
    ]
    parts += [_operator(folder, name, without) for name, without in operators.items()]
    parts.append(_target(folder, store, pays=pays))
    parts += [_wdiv_eth(world), _DIV_ETH, _lrt(world), _ETH_USD, _USDT_USD, _CROSSES]
    return "# The demo: a local chain and local venues. Windows and dwells are scaled down to seconds.\n" + "\n".join(
        parts
    )


def _process(folder: Path, port: int, interval_s: int) -> str:
    return f"""
[oracle]
round_interval_s = {interval_s}
scaled_times = true          # windows and dwells of seconds: for a demo only
database = "{folder / "oracle.db"}"
witness = "{folder / "witness"}"

[api]
port = {port}
"""


def _chain(world: DemoWorld, rpc_urls: tuple[str, ...]) -> str:
    listed = ", ".join(f'"{u}"' for u in rpc_urls)
    return f"""
[chains.local]
chain_id = {world.chain_id}
endpoints = [{listed}]
poll_ms = 200
max_head_age_s = 4
"""


def _venue(name: str, ws_url: str, rest_url: str) -> str:
    return f"""
[venues.{name}]
ws_url = "{ws_url}"
rest_url = "{rest_url}"
silence_ms = 6000
rest_ms = 1000
"""


def _operator(folder: Path, name: str, without: str) -> str:
    return f"""
[[operators]]
name = "{name}"
keyfile = "{folder / f"{name}.key.json"}"
journal = "{folder / f"{name}.journal.db"}"
{f'without = ["{without}"]' if without else ""}
"""


def _target(folder: Path, store: str, *, pays: bool) -> str:
    return f"""
[targets.local]
chain = "local"
store = "{store}"
{f'gas_keyfile = "{folder / "gas.key.json"}"' if pays else ""}
max_push_age_s = {MAX_PUSH_AGE_S}
bump_after_s = 5
"""


def _pools(world: DemoWorld, token: str, address: str) -> str:
    uniswap, balancer = world.pools[f"{token}_uniswap"], world.pools[f"{token}_balancer"]
    pool_id = world.pool_ids()[f"{token}_balancer"]
    return f"""
[[feeds."{_FEED[token]}".sources]]
name = "uniswap"
type = "uniswap_v3"
chain = "local"
pool = "{uniswap.address}"
base = "{address}"
quote = "{world.weth}"
notional = "10"
average_s = 4

[[feeds."{_FEED[token]}".sources]]
name = "balancer"
type = "balancer_stable"
chain = "local"
vault = "{world.vault}"
pool = "{balancer.address}"
pool_id = "{pool_id}"
base = "{address}"
quote = "{world.weth}"
notional = "10"
average_s = 4
"""


_FEED = {"wdiveth": "wdivETH/ETH", "demolrt": "demoLRT/ETH"}
_COMMON = """min_groups = 3
max_age_s = 10
max_spread_bps = 1500
heartbeat_s = 3
push_bps = 50
halt_after_s = 6
"""


def _wdiv_eth(world: DemoWorld) -> str:
    return f"""
[feeds."wdivETH/ETH"]
mode = "min"
{_COMMON}
[feeds."wdivETH/ETH".bands]{_BANDS}
[[feeds."wdivETH/ETH".sources]]
type = "coinbase"
symbol = "WDIVETH-ETH"

[[feeds."wdivETH/ETH".sources]]
type = "kraken"
symbol = "WDIVETH/ETH"

[[feeds."wdivETH/ETH".sources]]
type = "binance"
symbol = "WDIVETHETH"
{_pools(world, "wdiveth", world.wdiv_eth)}
[[feeds."wdivETH/ETH".sources]]
name = "ether per share"
type = "rate_call"
kind = "redemption"
chain = "local"
contract = "{world.div_eth}"
function = "convertToAssets(uint256)"
args = ["1000000000000000000"]
max_age_s = 15
"""


_DIV_ETH = f"""
[feeds."divETH/ETH"]          # a rebasing token: its share token's market price over ether per share; it redeems at one
mode = "min"
share_of = "wdivETH/ETH"
{_COMMON.replace("min_groups = 3", "")}
[feeds."divETH/ETH".bands]{_BANDS}
"""


def _lrt(world: DemoWorld) -> str:
    return f"""
[feeds."demoLRT/ETH"]
mode = "min"
{_COMMON.replace("min_groups = 3", "min_groups = 2")}
[feeds."demoLRT/ETH".bands]{_BANDS}
[[feeds."demoLRT/ETH".sources]]
type = "binance"
symbol = "DEMOLRTETH"
{_pools(world, "demolrt", world.lrt)}
[[feeds."demoLRT/ETH".sources]]
name = "rate"
type = "rate_call"
kind = "redemption"
chain = "local"
contract = "{world.lrt}"
function = "getRate()"
max_age_s = 15
"""


_ETH_USD = f"""
[feeds."ETH/USD"]
mode = "market"
{_COMMON.replace("min_groups = 3", "min_groups = 2")}
[feeds."ETH/USD".bands]{_BANDS}
[[feeds."ETH/USD".sources]]
type = "coinbase"
symbol = "ETH-USD"

[[feeds."ETH/USD".sources]]
type = "kraken"
symbol = "ETH/USD"

[[feeds."ETH/USD".sources]]
type = "binance"
symbol = "ETHUSDT"
pair = "ETH/USDT"
convert = "USDT/USD"          # a stable coin is never taken to be worth exactly one
"""

_USDT_USD = """
[feeds."USDT/USD"]
mode = "market"
min_groups = 1
reference_only = true         # a conversion leg: not on chain
max_age_s = 10
[[feeds."USDT/USD".sources]]
type = "coinbase"
symbol = "USDT-USD"

[[feeds."USDT/USD".sources]]
type = "kraken"
symbol = "USDT/USD"
"""

_CROSSES = """
[feeds."wdivETH/USD"]
mode = "min"
legs = ["wdivETH/ETH", "ETH/USD"]
heartbeat_s = 3

[feeds."divETH/USD"]
mode = "min"
legs = ["divETH/ETH", "ETH/USD"]
heartbeat_s = 3

[feeds."demoLRT/USD"]
mode = "min"
legs = ["demoLRT/ETH", "ETH/USD"]
heartbeat_s = 3
"""
