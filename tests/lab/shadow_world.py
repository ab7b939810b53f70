"""A database as a shadow run of one feed with two references leaves it: a fall, a silence, a stale reference, a gap."""

from __future__ import annotations

import random
import tomllib
from pathlib import Path

from feeds.errors import NoData, Stale
from feeds.types import Failure, Kind, Observation, Outcome
from feeds.units import MS, WAD, Wad
from oracle.config.resolve import ResolvedConfig, resolve
from oracle.config.sections import parse
from oracle.model.state import FeedState
from oracle.model.types import FeedRound, FoldedFeed
from oracle.report.compose import published_after
from oracle.round.step import step
from oracle.storage.database import Database
from tests.oracle.oracle_build import T0

FEED = "stETH/ETH"
INTERVAL_S, ROUNDS, LAG = 10, 900, 4
GAP = range(300, 340)
SILENT = range(500, 512)
BRIEF = range(200, 203)
"""Too short for a halt, in a calm time: the status stays as it was published."""
STALE, UNREAD = range(600, 640), range(700, 705)
FALL = range(400, 440)
CONFIG = """
[oracle]
database = "{folder}/own.db"
[chains.ethereum]
chain_id = 1
endpoints = ["https://one.example"]
[feeds."stETH/ETH"]
mode = "market"
halt_after_s = 60
[feeds."stETH/ETH".bands]
watch_dwell_s = 20
depeg_dwell_s = 40
leave_dwell_s = 60
[[feeds."stETH/ETH".sources]]
type = "kraken"
symbol = "STETH/ETH"
pair = "stETH/ETH"
[[feeds."stETH/ETH".sources]]
type = "gemini"
symbol = "STETHETH"
pair = "stETH/ETH"
[[feeds."stETH/ETH".sources]]
type = "rate_call"
name = "rate"
kind = "redemption"
chain = "ethereum"
contract = "0x7777777777777777777777777777777777777777"
function = "getRate()"
max_age_s = 86400
[[feeds."stETH/ETH".sources]]
type = "chainlink"
name = "late"
kind = "reference"
chain = "ethereum"
feed = "0x86392dC19c0b719886221c78AB11eb8Cf5c52812"
[[feeds."stETH/ETH".sources]]
type = "chainlink"
name = "still"
kind = "reference"
chain = "ethereum"
feed = "0x8888888888888888888888888888888888888888"
[feeds."ETH/USD"]
[[feeds."ETH/USD".sources]]
type = "kraken"
symbol = "ETH/USD"
[[feeds."ETH/USD".sources]]
type = "gemini"
symbol = "ETHUSD"
[feeds."stETH/USD"]
legs = ["stETH/ETH", "ETH/USD"]
"""


def config_file(folder: Path) -> Path:
    """The config, as a file."""
    path = folder / "config.toml"
    path.write_text(CONFIG.format(folder=folder))
    return path


def world(folder: Path) -> ResolvedConfig:
    """The config, read."""
    return resolve(parse(tomllib.loads(config_file(folder).read_text())))


def market() -> list[Wad]:
    """Noise, and a fall of 3 % that comes back."""
    rng, out = random.Random(5), []
    for i in range(ROUNDS):
        down = min(1.0, max(0.0, (i - FALL.start) / len(FALL))) - min(1.0, max(0.0, (i - 650) / 40))
        out.append(Wad(int((1 - 0.03 * down) * WAD) + rng.randrange(-3, 4) * WAD // 100_000))
    return out


def fill(folder: Path) -> Path:
    """Fold the rounds and store them; the database's file."""
    resolved = world(folder)
    spec, path, prices = resolved.specs[FEED], folder / "own.shadow.db", market()
    database, state, published = Database(path), FeedState(), None
    folded: list[FoldedFeed] = []
    for i, price in enumerate(prices):
        if i in GAP:
            continue
        at_ms = T0 + i * INTERVAL_S * MS
        given: list[Outcome] = []
        for source in spec.sources:
            stated = {"late": prices[max(0, i - LAG)] + WAD // 2_000, "still": WAD, "rate": WAD}.get(source.name, price)
            mute = source.name == "gemini" and (i in SILENT or i in BRIEF)
            old = source.name == "late" and i in STALE
            unread = source.name == "still" and i in UNREAD
            if mute or old or unread:
                error = (
                    Stale("the provider has not written", age_ms=90_000_000 + i, max_age_ms=1)
                    if old
                    else NoData("silent")
                )
                given.append(Failure(pair=source.pair, source=source.name, error=error, failed_at_ms=at_ms))
                continue
            given.append(
                Observation(
                    pair=source.pair, source=source.name, group=source.group, kind=source.kind, price_wad=Wad(stated),
                    observed_at_ms=at_ms - (2_000 if source.kind is Kind.REFERENCE else 500),
                )
            )  # fmt: skip
        result, after = step(spec, state, given, {}, at_ms, published)
        folded.append(FoldedFeed(operator="local", spec=spec, before=state, after=after, result=result))
        report = result.report if isinstance(result, FeedRound) else result.kept
        published, state = published_after(published, report, result.round_time_s), after
    for first in range(0, len(folded), 100):  # some at once: every transaction is written through to the disk
        database.save_round(folded[first : first + 100], [], [], [])
    database.close()
    return path
