"""What an operator pays to announce itself, beside our other figures."""

from __future__ import annotations

from collections.abc import Mapping

from eth_hash.auto import keccak

from demo.bench.gas_store import artifact, encoded
from demo.bench.gas_tools import BenchChain, address_text, keys
from feeds.chains.abi import address
from oracle.sign.announcement import Announcement, announcement_preimage, signed_announcement
from oracle.sign.eip712 import Domain, address_of, sign_compact

_CHAIN_ID = 31_337
_STORE = address_text(b"\x11" * 20)
_MEMBERS = 5


async def announcing(ground: BenchChain) -> Mapping[str, int]:
    """Gas by what was done: a first announcement of one address, a newer one, and a cold read of five members."""
    made = await ground.create(artifact("OperatorDirectory"))
    costs = {}
    for name, counter in (("the first", 1_900_000_000_000), ("a newer one", 1_900_000_060_000)):
        data = encoded(made, "announce", _STORE, _announcement(counter))
        costs[f"OperatorDirectory.announce, {name}"] = await ground.send(made.address, data)
    members = [address_text(address_of(key)) for key in keys(_MEMBERS)]
    await ground.wait()
    call = encoded(made, "announcedBy", _STORE, members)
    read = await ground.cold("", "", made.address, call)
    return {**costs, f"OperatorDirectory.announcedBy, {_MEMBERS} members": read.gas}


def _announcement(counter: int) -> bytes:
    """Of the first key: one address and the certificate shown there."""
    (key, *_) = keys(1)
    said = Announcement(
        counter=counter, network_key=b"\x33" * 20, urls=("wss://oracle.example.org:7100",), certificate=b"\x44" * 32
    )
    domain = Domain(chain_id=_CHAIN_ID, store=address(_STORE))
    compact = sign_compact(key, keccak(announcement_preimage(domain, said)))
    return signed_announcement(address_of(key), said, compact).raw
