"""A push whose gas key is with a remote signer: it lands; without the signer nothing is sent, and that is written."""

from __future__ import annotations

from pathlib import Path

import coincurve
import pytest

from demo.world.chain import account
from oracle.model.publication import PushState
from oracle.sign.eip712 import address_of
from tests.oracle.push.push_world import CALM, push_once, world_in
from tests.oracle.sign.remote_signer_server import signing

pytestmark = pytest.mark.chain


async def test_a_remote_gas_key_pushes_and_its_absence_is_a_refusal(tmp_path: Path) -> None:
    key = coincurve.PrivateKey(bytes(account(2).key))
    async with signing(key) as (stand, remote), world_in(tmp_path, gas_signer=remote) as here:
        await push_once(here)
        (row,) = here.databases[0].pushes("t", (PushState.LANDED,))
        assert stand.asked
        payer = (await here.rpc("eth_getTransactionByHash", row.tx_hash))["from"]
        assert bytes.fromhex(payer[2:]) == address_of(key)
        stand.twist = "500"
        here.now_s += 2
        await here.round({feed: (price * 11 // 10, rate) for feed, (price, rate) in CALM.items()})
        await here.targets[0].tick()
        assert len(here.databases[0].pushes("t")) == 1
        (refused,) = here.databases[0].not_pushed("t")
        assert refused.error.endswith("answered HTTP 500")
        assert here.events[0].failed == ["SignerError"]
