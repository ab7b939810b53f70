"""The operator's file: config.toml, parsed once into types. No secrets, and every error at once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from feeds.observe import Block
from feeds.types import Kind
from oracle.config.tables.schema import ConfigError, Problem, build
from oracle.config.tables.shorthand import VIA_FEED, expand
from oracle.config.tables.store_sections import StoreSection
from oracle.model.spec import PLAIN, Bands, Mode, Rules, Tuning

MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"
_HEX_ADDRESS = 42
_MOST_POKES = 16
_SOURCE_KEYS = frozenset(
    {
        "name", "type", "kind", "group", "chain", "pair", "symbol", "convert", "max_age_s", "average_s",
        "average_blocks", "own_oracle", "against", "block",
    }
)  # fmt: skip


def address(text: str) -> bytes:
    """Read a 20-byte address from 0x-hex; ValueError says what is wrong."""
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(text) != _HEX_ADDRESS or len(raw) != 20:  # noqa: PLR2004 - bytes of an address
        raise ValueError(f"{text!r} is no address: write 0x and 40 hex digits")
    return raw


def is_http(text: str) -> bool:
    """Whether a text is an address that HTTP can ask."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _check_signer(url: str | None, key: str | None) -> None:
    """Refuse a remote signer that is half a one, or that holds a secret."""
    if (url is None) != (key is None):
        raise ValueError("signer_url and signer_address belong together: write both or neither")
    if key is not None:
        address(key)
    if url is not None and "@" in url:
        raise ValueError("signer_url holds a password: secrets are never in the config")
    if url is not None and not url.startswith(("http://", "https://")):
        raise ValueError("signer_url is no address: write http:// or https:// and a host")


def _check_pokes(store: str, views: tuple[str, ...]) -> None:
    """Refuse views that can be none, or too many: all of them are poked in one transaction."""
    found = [address(v) for v in views]
    if len(found) > _MOST_POKES:
        raise ValueError(f"pokes: {len(found)} views, at most {_MOST_POKES} fit into a push; poke the others yourself")
    if len(set(found)) < len(found):
        raise ValueError("pokes: a view stands twice")
    if address(store) in found or bytes(20) in found:
        raise ValueError("pokes: write the addresses of ModeViews over the store, not the store's own and not zero")


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleSection:
    """[oracle]: the process. ``scaled_times`` allows windows and dwells too short for real money (demo, tests)."""

    round_interval_s: int = 10
    database: str = "var/lrt-oracle.db"
    live_coalesce_ms: int = 5
    keep_days: int = 7
    witness: str = ""
    scaled_times: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.round_interval_s <= 3_600:  # noqa: PLR2004 - one second to one hour
            raise ValueError("round_interval_s must be 1 to 3600")
        if self.keep_days < 1:
            raise ValueError("keep_days must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSection:
    """[api]: the local endpoint. ``idle_s``: how long a connection may take from one whole request to the next."""

    host: str = "127.0.0.1"
    port: int = 8551
    cors_origins: tuple[str, ...] = ()
    max_connections: int = 1_024
    idle_s: int = 15

    def __post_init__(self) -> None:
        if self.max_connections < 8 or self.idle_s < 1:  # noqa: PLR2004 - a few readers, a probe and a scraper
            raise ValueError("max_connections must be at least 8 and idle_s at least 1")
        if not 0 <= self.port <= 65_535:  # noqa: PLR2004 - what TCP has; 0 takes a free one
            raise ValueError(f"port = {self.port}: write 1 to 65535")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainSection:
    """[chains.NAME]: where to read. At least one endpoint; two or more give failover, three a majority.

    ``agree``: how many endpoints must answer the same before it is believed; 0: two where there are three or more, else
    one. ``announcers``: WebSocket addresses that announce new heads, so that a block is read when it comes.
    ``sequencer_feed``: a rollup's uptime feed, "" for none, else the catalogue's; while it says down, and for ``sequencer_grace_s`` after, nothing of this
    chain counts.
    """

    chain_id: int
    endpoints: tuple[str, ...]
    multicall: str = MULTICALL3
    max_head_age_s: int = 60
    poll_ms: int = 1_000
    max_calls: int = 600
    agree: int = 0
    announcers: tuple[str, ...] = ()
    sequencer_feed: str | None = None
    sequencer_grace_s: int = 3_600

    def __post_init__(self) -> None:
        address(self.multicall)
        if self.sequencer_feed:
            address(self.sequencer_feed)
        if not self.endpoints:
            raise ValueError("endpoints is empty: give at least one RPC URL, better two of different providers")
        if bad := [i for i, u in enumerate(self.endpoints) if not is_http(u)]:
            raise ValueError(f"endpoints[{bad[0]}] is no endpoint: write http:// or https:// and a host")
        if not 0 <= self.agree <= len(self.endpoints):
            raise ValueError(f"agree = {self.agree}: there are {len(self.endpoints)} endpoints; 0 chooses")
        if any(not u.startswith(("ws://", "wss://")) for u in self.announcers):
            raise ValueError("announcers are WebSocket addresses: write ws:// or wss:// and a host")

    @property
    def majority(self) -> int:
        """How many endpoints must agree."""
        return self.agree or (2 if len(self.endpoints) >= 3 else 1)  # noqa: PLR2004 - two of three are a majority


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueSection:
    """[venues.NAME]: other addresses for a venue (a proxy, a test), when its silence counts, pause of its REST fallback."""

    ws_url: str | None = None
    rest_url: str | None = None
    silence_ms: int = 30_000
    rest_ms: int = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSection:
    """[[operators]]: one signer in this process. ``without``: source types and chains that it does not use.

    Its key is a keyfile, or one of a remote signer: ``signer_url`` with ``signer_address``. ``shared_journal``: another process on this machine signs with the same key and writes to the same journal.
    """

    name: str
    journal: str
    keyfile: str | None = None
    signer_url: str | None = None
    signer_address: str | None = None
    shared_journal: bool = False
    passphrase_env: str = "LRT_ORACLE_PASSPHRASE"
    without: tuple[str, ...] = ()
    bound_bps: int = 100

    def __post_init__(self) -> None:
        _check_signer(self.signer_url, self.signer_address)
        if (self.keyfile is None) == (self.signer_url is None):
            raise ValueError("an operator has one key: write keyfile, or signer_url and signer_address")


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSection:
    """[targets.NAME]: a PriceStore to push to. ``max_push_age_s`` as in the store. The gas key has no authority.

    Its key is a keyfile, or one of a remote signer: ``signer_url`` with ``signer_address``. What gas is spent for:
    oracle.push.due.PushPolicy. ``registry``: the OperatorRegistry on the same chain that bonds the store's signers.
    ``pokes``: ModeViews of mode 4 over the store, poked in the push that turns their ramp. ``relays``: where transactions
    go instead of to the chain's endpoints.
    """

    chain: str
    store: str
    registry: str | None = None
    gas_keyfile: str | None = None
    passphrase_env: str = "LRT_ORACLE_GAS_PASSPHRASE"
    signer_url: str | None = None
    signer_address: str | None = None
    max_push_age_s: int = 60
    max_fee_gwei: int = 500
    tip_percentile: int = 60
    bump_after_s: int = 15
    confirmations: int = 12
    agree: int = 0
    offset_s: int = 0
    spread_bps: int = 100
    peg_bps: int = 25
    peg_percent: int = 50
    early_percent: int = 50
    gas_per_day: int = 0
    warn_pushes: int = 100
    pokes: tuple[str, ...] = ()
    relays: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for text in filter(None, (self.store, self.registry)):
            address(text)
        if bad := [i for i, u in enumerate(self.relays) if not is_http(u)]:
            raise ValueError(f"relays[{bad[0]}] is no endpoint: write http:// or https:// and a host")
        _check_pokes(self.store, self.pokes)
        _check_signer(self.signer_url, self.signer_address)
        if self.signer_address is not None and self.gas_keyfile is not None:
            raise ValueError("gas_keyfile and signer_url are two keys: write one of them")
        for name in ("tip_percentile", "peg_percent", "early_percent"):
            if not 0 <= getattr(self, name) <= 100:  # noqa: PLR2004 - percent
                raise ValueError(f"{name} must be 0 to 100")
        for name in ("agree", "offset_s", "spread_bps", "peg_bps", "gas_per_day", "warn_pushes"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")
        if self.bump_after_s < 1 or self.confirmations < 1:
            raise ValueError("bump_after_s and confirmations must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSection:
    """[[feeds.X.sources]]: one source. Keys that are not listed here belong to the adapter named by ``type``.

    ``against``: which of our two prices a reference is compared with.

    ``block``: read at the latest, the safe or the finalized block; the later ones cost age.
    """

    type: str
    name: str | None = None
    kind: Kind = Kind.MARKET
    group: str | None = None
    chain: str | None = None
    pair: str | None = None
    symbol: str | None = None
    convert: str | None = None
    max_age_s: int | None = None
    average_s: int = 0
    average_blocks: int = 3
    own_oracle: bool = False
    against: Kind = Kind.MARKET
    block: Block = Block.LATEST
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSection:
    """[feeds."BASE/QUOTE"]: one feed: from sources, from a share token (``share_of``), or a product of two (``legs``)."""

    mode: Mode = Mode.MARKET
    method: str = "median"
    outliers: str | None = "mad"
    outlier_floor_bps: int = 50
    window_s: int = 1_800
    min_groups: int = 2
    max_age_s: int = 60
    max_spread_bps: int = 500
    heartbeat_s: int = 3_600
    push_bps: int = 50
    halt_after_s: int = 300
    accept_single_group: bool = False
    reference_only: bool = False
    off: bool = False
    reason: str | None = None
    catalog: tuple[str, ...] = ()
    notional: str | None = None
    average_s: int = 60
    share_of: str | None = None
    legs: tuple[str, ...] = ()
    bands: Bands
    rules: Rules
    tuning: Tuning = PLAIN
    sources: tuple[SourceSection, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole file."""

    oracle: OracleSection = field(default_factory=OracleSection)
    api: ApiSection = field(default_factory=ApiSection)
    chains: Mapping[str, ChainSection] = field(default_factory=dict)
    venues: Mapping[str, VenueSection] = field(default_factory=dict)
    operators: tuple[OperatorSection, ...] = ()
    targets: Mapping[str, TargetSection] = field(default_factory=dict)
    stores: Mapping[str, StoreSection] = field(default_factory=dict)
    feeds: Mapping[str, FeedSection] = field(default_factory=dict)


def load(path: Path) -> Config:
    """Read and parse a config file.

    Raises:
        ConfigError: with every problem found in its form; what the parts mean together is ``plan.plan``'s to check.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise ConfigError([Problem(str(path), f"cannot be read ({e.strerror}): give --config FILE")]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise ConfigError([Problem(str(path), f"is not TOML: {e}")]) from None
    return parse(table)


def parse(table: Mapping[str, Any]) -> Config:
    """Turn a parsed TOML document into the config; raises ConfigError as :func:`load` does."""
    problems: list[Problem] = []
    config = build(Config, _with_params(expand(table, problems)), "config", problems)
    if config is None or problems:
        raise ConfigError([Problem(p.key.removeprefix("config."), p.text) for p in problems])
    return config


def feed_section(table: Mapping[str, Any]) -> FeedSection:
    """One feed as ``[feeds.X]`` states it, with the defaults of all that is left out; raises ConfigError as :func:`load` does."""
    problems: list[Problem] = []
    section = build(FeedSection, table, "feed", problems)
    if section is None:
        raise ConfigError(problems)
    return section


def _with_params(table: Mapping[str, Any]) -> dict[str, Any]:
    """Move a source's adapter keys into its ``params``."""
    shaped = dict(table)
    if not isinstance(table.get("feeds"), Mapping):
        return shaped
    shaped["feeds"] = {name: _feed(feed) for name, feed in table["feeds"].items()}
    return shaped


def _feed(feed: Any) -> Any:
    if not isinstance(feed, Mapping) or not isinstance(feed.get("sources"), list):
        return feed
    return {**feed, "sources": [_source(s) for s in feed["sources"]]}


def _source(source: Any) -> Any:
    if not isinstance(source, Mapping):
        return source
    own = {k: v for k, v in source.items() if k in _SOURCE_KEYS}
    if own.get("kind") == VIA_FEED:
        own["kind"] = Kind.REDEMPTION.value
    return {**own, "params": {k: v for k, v in source.items() if k not in _SOURCE_KEYS}}
