"""[chains.NAME] and [venues.NAME]: where sources are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from oracle.config.tables.forms import (
    address_or_none,
    http_url,
    raw_address,
    venue_http_url,
    venue_websocket_url,
    websocket_url,
)
from oracle.model.keys import key, required

MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainSection:
    """[chains.NAME]: where to read. At least one endpoint; two or more give failover, three a majority."""

    chain_id: int = field(metadata=required("the chain's id, checked at every endpoint", least=1))
    endpoints: tuple[str, ...] = field(
        metadata=required("HTTP URLs of RPC endpoints in order of preference; two or more give failover", form=http_url)
    )
    multicall: str = key(
        MULTICALL3,
        "address of the contract that batches all reads of a block into one call",
        form=raw_address,
        shown="Multicall3's usual address",
    )
    max_head_age_s: int = key(
        60, "an endpoint whose newest block is older than this is not used while another is fresher", least=1
    )
    poll_ms: int = key(1_000, "how often a new head is looked for", least=1)
    max_calls: int = key(600, "contract calls in one eth_call, at most", least=1)
    agree: int = key(
        0,
        "endpoints that must answer the same before it is believed, no more than there are; 0: a majority of three or more,"
        " else one",
        least=0,
    )
    announcers: tuple[str, ...] = key(
        (), "URLs of WebSockets that announce new heads; between them the chain is polled", form=websocket_url
    )
    sequencer_feed: str | None = key(
        None,
        'address of a rollup\'s uptime feed: while it says down, or does not answer twice running, nothing of this chain counts; "" for none',
        shown="the catalogue's",
        form=address_or_none,
    )
    sequencer_grace_s: int = key(
        3_600, "how long the sequencer must have been up again before anything of its chain counts", least=0
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the keys together: the key, and what to write."""
        if not self.endpoints:
            yield "endpoints", "is empty: give at least one RPC URL, better two of different providers"
        elif self.agree > len(self.endpoints):
            yield "agree", f"agree = {self.agree}: there are {len(self.endpoints)} endpoints; 0 chooses"


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueSection:
    """[venues.NAME]: only to change something about a venue."""

    ws_url: str | None = key(
        None, "another address for its stream: a proxy, a test", shown="the venue's", form=venue_websocket_url
    )
    rest_url: str | None = key(
        None, "another address for its requests: a proxy, a test", shown="the venue's", form=venue_http_url
    )
    silence_ms: int = key(
        30_000,
        "a symbol without news on the stream for this long counts as silent and is asked for by requests",
        least=0,
    )
    rest_ms: int = key(2_000, "pause between two such requests; 0 turns them off", least=0)
    depth_ms: int = key(
        60_000,
        "how often the order book of each of its symbols is read for its depth; 0: never, and no gate counts the venue",
        least=0,
        most=300_000,
    )
