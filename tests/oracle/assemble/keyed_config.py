"""A process with one operator that has its key here, two targets at stores of their own, and no chain that answers."""

from __future__ import annotations

from pathlib import Path

import coincurve

from feeds.types import Quote, Tick
from feeds.units import WAD, Wad
from oracle.app import App
from oracle.config.resolve import ResolvedConfig
from oracle.round.seat import SignerSeat
from oracle.sign.eip712 import Domain, address_of
from oracle.sign.keyfiles import save
from oracle.sign.messages import SignerSet
from oracle.sign.sign_journal import SignJournal
from tests.oracle.assemble.small_config import small_config

FEED = "ETH/USD"
KEY = coincurve.PrivateKey(bytes([11]) * 32)
ENVIRON = {"LRT_ORACLE_PASSPHRASE": "word"}
_SYMBOLS = {"coinbase": "ETH-USD", "kraken": "ETH/USD"}


def keyed_config(folder: Path, endpoint: str = "http://127.0.0.1:1") -> ResolvedConfig:
    """The first target, home, seals. ``endpoint``: of the chain, where nobody listens unless it is given."""
    save(folder / "a.json", KEY, "word", iterations=2)
    SignJournal(folder / "a.db", address_of(KEY), now_ms=0, mute_ms=0, newborn=True).close()
    target = {"chain": "local", "store": "0x" + "55" * 20}
    return small_config(
        folder / "o.db",
        chains={"local": {"chain_id": 31337, "endpoints": [endpoint]}},
        operators=[{"name": "a", "keyfile": str(folder / "a.json"), "journal": str(folder / "a.db")}],
        targets={"home": target, "other": {**target, "store": "0x" + "66" * 20}},
    )


def seat_at(target: str, index: int = 0) -> SignerSeat:
    """The operator alone signs at a store, where the feed has this index."""
    domain = Domain(chain_id=31337, store=target.encode().ljust(20))
    signers = SignerSet(domain=domain, epoch=1, signers=(address_of(KEY),), weights=(1,), threshold=1)
    return SignerSeat(target=target, signers=signers, indexes={FEED: index})


def hear(app: App, at_ms: int) -> None:
    """Both venues have a price."""
    for venue, symbol in _SYMBOLS.items():
        app.observer.latest.put(venue, Tick(symbol=symbol, result=Quote(price_wad=Wad(2_000 * WAD))), at_ms)
