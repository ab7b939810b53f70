"""The mirror of the store's checks against the store itself: what it says is what the contract then does."""

from __future__ import annotations

import random
from collections import Counter

import coincurve
import pytest
from fault_world import KEYS

from demo import anvil
from demo.chain import Chain, account
from feeds.units import Bps, Wad
from oracle.eip712 import Domain, address_of, batch_digest, sign_compact
from oracle.keys import LocalSigner
from oracle.onchain.chain import StoreClient, StoreRefuses, push_data
from oracle.onchain.deploy import ClassLimits, Deployer, StoreSettings
from oracle.onchain.mirror import StoreLimits, acceptable, gap_s, inside_gap, takes_price, waits
from oracle.report import encode_item
from oracle.sign import SignedBatch
from oracle.status import Status, Why
from oracle.types import Report

pytestmark = pytest.mark.chain
MOVES = (0, 1, 30, -30, 499, 500, 501, -500, -501, 900)
REFUSALS = {"NothingNew": ("later one", "last write", "paused"), "TooOld": ("old,",), "TooFarAhead": ("ahead,",)}
MET = {
    "NothingNew", "price", "status alone", "would have waited", "status inside a gap", "price inside a gap",
    "after a gap, soon after a status inside it",
}  # fmt: skip


def signed(domain: Domain, report: Report, signers: int) -> SignedBatch:
    items = encode_item(0, report)
    digest = batch_digest(domain, 1, report.round_time_s, items)
    keys = list(KEYS.values())[:signers]
    return SignedBatch(
        domain=domain, epoch=1, round_time_s=report.round_time_s, items=items,
        signatures=b"".join(bytes([i]) + sign_compact(k, digest) for i, k in enumerate(keys)),
        signers=("a",) * signers, addresses=tuple(address_of(k) for k in keys),
    )  # fmt: skip


def report(at_s: int, market: int, status: Status) -> Report:
    return Report(
        market_wad=Wad(market), redemption_wad=Wad(10**18), spread_bps=Bps(1), status=status, why=Why.NONE,
        round_time_s=at_s, market_age_s=0, redemption_age_h=0,
    )  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2])
async def test_what_the_mirror_says_is_what_the_store_does(seed: int) -> None:
    rng, seen = random.Random(seed), Counter[str]()
    with anvil.running() as node:
        deployer = Deployer(node.url, coincurve.PrivateKey(bytes(account(0).key)))
        settings = StoreSettings(
            signers=tuple(address_of(k) for k in KEYS.values()), weights=(1, 1, 1), threshold=2, step_threshold=3,
            max_push_age_s=60, classes=(ClassLimits(min_gap_s=5, step_bps=500, step_wait_s=30),),
        )  # fmt: skip
        made = await deployer.deploy(settings, [])
        await deployer.register(made.store, "A/B", market=True, redemption=True)
        await deployer.close()
        domain = Domain(chain_id=made.chain_id, store=bytes.fromhex(made.store[2:]))
        client = StoreClient(
            [node.url], domain, LocalSigner(coincurve.PrivateKey(bytes(account(2).key))), max_fee_gwei=500
        )
        async with Chain(node.url) as chain:
            now_s, price = (await client.head()).time_s, 10**18
            for turn in range(240):
                now_s += rng.choice((1, 1, 1, 2, 2, 3, 5, 6, 12, 40))
                await chain.rpc("evm_setNextBlockTimestamp", now_s)
                await chain.rpc("evm_mine")
                strong = rng.random() < 0.2
                stored = await client.stored(0)
                status = rng.choice((Status.OK, Status.OK, Status.WATCH, Status.DEPEG, Status.HALT))
                if stored is not None and rng.random() < 0.6:
                    price = stored.market_wad * (10_000 + rng.choice(MOVES)) // 10_000
                fresh = report(now_s + rng.choice((0,) * 12 + (-3, -61, 29, 32)), price, status)
                limits = await limits_of(client, strong=strong)
                refused = acceptable(stored, fresh, block_time_s=now_s, limits=limits)
                data, nonce = push_data(signed(domain, fresh, 3 if strong else 2)), await client.next_nonce()
                if refused is not None:
                    with pytest.raises(StoreRefuses) as said:
                        await client.prepare(data, nonce)
                    assert any(word in refused for word in REFUSALS[said.value.name]), (turn, refused, said.value)
                    seen[said.value.name] += 1
                    continue
                tx = await client.prepare(data, nonce)
                await chain.rpc("evm_setNextBlockTimestamp", now_s + 1)
                await client.broadcast(tx.raw)
                now_s += 1
                landed = None
                while landed is None:
                    landed = await client.receipt(tx.tx_hash)
                assert landed.ok, (turn, landed)
                after = await client.stored(0)
                assert after is not None
                taken = takes_price(stored, fresh, limits)
                seen["price" if taken else "status alone"] += 1
                seen[when(stored, fresh, limits)] += 1
                assert taken or not limits.strong
                assert after.market_wad == (fresh.market_wad if taken else (stored or fresh).market_wad), turn
                assert after.status is (fresh.status if taken else max(fresh.status, Status.WATCH)), turn
                if waits(stored, fresh, limits) is not None:
                    seen["would have waited"] += 1
                    assert not taken
        await client.close()
    assert set(seen) >= MET, seen


def when(stored: Report | None, fresh: Report, limits: StoreLimits) -> str:
    """Where between the writes before it one is that the store takes."""
    if inside_gap(stored, fresh, limits):
        return "price inside a gap" if limits.strong else "status inside a gap"
    soon = stored is not None and gap_s(stored, fresh) < limits.min_gap_s
    return "after a gap, soon after a status inside it" if soon else "after a gap"


async def limits_of(client: StoreClient, *, strong: bool) -> StoreLimits:
    block = (await client.head()).number
    known = await client.limits(0)
    assert (known.min_gap_s, known.step_bps, known.step_wait_s) == (5, 500, 30)
    assert await client.step_threshold() == 3
    return StoreLimits(
        max_push_age_s=60, min_gap_s=5, step_bps=500, step_wait_s=30, strong=strong,
        paused=await client.paused(0, block), waiting=await client.waiting(0, block),
    )  # fmt: skip
