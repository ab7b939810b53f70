"""[feeds."BASE/QUOTE"] and its sources. Its bands, rules and tuning are declared where the core reads them, in the spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from feeds.observe import Block
from feeds.types import Kind
from oracle.model.keys import key, required
from oracle.model.spec import PLAIN, Bands, Mode, Rules, Tuning

_HOUR_S, _WEEK_S = 3_600, 7 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSection:
    """[[feeds.X.sources]]: one source. Keys that are not listed here belong to the adapter named by ``type``."""

    type: str = field(
        metadata=required("the adapter: an exchange, a pool, a rate, another oracle, `json_http` or `ccxt`")
    )
    name: str | None = key(None, "unique in the feed", shown="the type")
    kind: Kind = key(
        Kind.MARKET,
        "what it states: `market`, `redemption`, `redemption_via_feed`, `reference`, `supply`, `backing` or `open`",
    )
    group: str | None = key(
        None,
        "what it depends on, to count several as one; never to count one as several",
        shown="the exchange, the host's domain, or `chain:NAME`",
        see="[groups](#groups)",
    )
    chain: str | None = key(None, "pools and rates: a `[chains.*]`")
    pair: str | None = key(None, "the pair that it states, where that is not the feed's", shown="the feed's")
    symbol: str | None = key(None, "exchanges: the venue's own spelling of the pair")
    convert: str | None = key(
        None,
        "the feed that turns its quote unit into the feed's: `USDT/USD` for a price in USDT, or `ETH/USD` to divide a price"
        " in USD by",
    )
    max_age_s: int | None = key(
        None, "an answer older than this does not count", least=1, most=_WEEK_S, shown="the feed's"
    )
    average_s: int = key(0, "pools: averaged over at least this, a group of its own; 0: not, else at least 30", least=0)
    average_blocks: int = key(3, "pools: averaged over at least so many blocks", least=0)
    own_oracle: bool = key(default=False, says="use the pool's own average where it has one")
    rail: str | None = key(
        None,
        "kinds `supply` and `backing`: the bridge that it is one side of, a name of yours: tokens beyond it, or locked for it",
        shown="the token as a whole",
    )
    against: Kind = key(Kind.MARKET, "for a `reference`: which of our two prices it is compared with")
    block: Block = key(
        Block.LATEST,
        "read at the `latest`, `safe` or `finalized` block; the later two cost 6 to 20 minutes of age",
    )
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSection:
    """[feeds."BASE/QUOTE"]: one feed: from sources, from a share token (``share_of``), or a product of two (``legs``)."""

    mode: Mode = key(
        Mode.MARKET,
        "`market`, `redemption`, `min` or `max` of the two, `capped`, `redemption_unless_depeg`",
    )
    method: str = key("median", "how sources become one price", see="[methods](#methods)")
    outliers: str | None = key(
        "mad",
        "filter before the method: `mad`, `iqr`, `hodges_lehmann`, `recent`, or `none`; a method with breakdown 0 needs one",
    )
    outlier_floor_bps: int = key(50, "a source nearer to the median than this is never an outlier", least=0)
    window_s: int = key(1_800, "of a method over time; at most 512 rounds, of a method of trades a day", least=0)
    min_groups: int = key(2, "independent groups that a price needs; more than the feed can reach is refused", least=0)
    max_age_s: int = key(60, "inputs older than this do not count", least=1, most=_HOUR_S)
    max_spread_bps: int = key(500, "a group further from the price than this: the feed abstains", least=0)
    heartbeat_s: int = key(3_600, "a push is due when this has passed since the last one", least=0)
    push_bps: int = key(50, "a push is due when either price has moved by this", least=0)
    halt_after_s: int = key(300, "no price published for longer than this is a halt", least=0)
    accept_single_group: bool = key(default=False, says="one group may do; the status is then at best `watch`")
    reference_only: bool = key(default=False, says="served, not on chain")
    off: bool = key(default=False, says="neither read nor served; kept in the file with its reason")
    reason: str | None = key(None, "why it is `reference_only` or `off`; `check` prints it")
    catalog: tuple[str, ...] = key((), "sources by their names in the catalogue", see="[the catalogue](#the-catalogue)")
    notional: str | None = key(
        None, "base tokens that its pools named in `catalog` are priced for, a decimal number as text"
    )
    average_s: int = key(60, "the time over which those pools are averaged", least=0)
    share_of: str | None = key(None, "the feed of its share token, whose market over ether per share is its price")
    legs: tuple[str, ...] = key((), "the two feeds that it is the product of")
    bands: Bands
    rules: Rules
    tuning: Tuning = PLAIN
    sources: tuple[SourceSection, ...] = ()
