"""A deployment whose first run broke off while its transaction waits: waited for, or a typed error that says what to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import coincurve
import pytest

from demo.world import anvil
from demo.world.chain import LocalChain, account
from oracle.deploy.create2 import DeployError
from oracle.deploy.deployer import Deployer
from oracle.deploy.store_settings import StoreSettings
from oracle.sign.eip712 import address_of

pytestmark = pytest.mark.chain
OWNER = coincurve.PrivateKey(bytes(account(0).key))
SETTINGS = StoreSettings(signers=(address_of(OWNER),), weights=(1,), threshold=1, max_push_age_s=60)


@pytest.fixture
def fresh() -> Iterator[anvil.Anvil]:
    with anvil.running() as node:
        yield node


@pytest.fixture
async def chain(fresh: anvil.Anvil) -> AsyncIterator[LocalChain]:
    """A chain on which the first run's transaction waits, and the run is gone."""
    async with LocalChain(fresh.url) as made:
        await made.rpc("evm_setAutomine", False)
        first = Deployer(fresh.url, OWNER)
        run = asyncio.create_task(first.deploy(SETTINGS, []))
        async with asyncio.timeout(60):
            while int((await made.rpc("txpool_status"))["pending"], 16) == 0:  # noqa: ASYNC110 - the node tells no event
                await asyncio.sleep(0.05)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await first.close()
        yield made


async def test_what_the_first_run_sent_is_waited_for_and_not_sent_again(fresh: anvil.Anvil, chain: LocalChain) -> None:
    again = Deployer(fresh.url, OWNER)
    run = asyncio.create_task(again.deploy(SETTINGS, []))
    await asyncio.sleep(0.5)
    assert not run.done()
    await chain.rpc("evm_mine")
    done = await run
    assert done.sent == 0
    await again.close()


@pytest.mark.usefixtures("chain")
async def test_what_does_not_land_is_a_typed_error(fresh: anvil.Anvil) -> None:
    again = Deployer(fresh.url, OWNER, patience_s=0.5)
    with pytest.raises(DeployError, match=r"1 transactions of 0x.* wait from nonce 0 on, of an earlier run"):
        await again.deploy(SETTINGS, [])
    await again.close()


@pytest.mark.usefixtures("chain")
async def test_an_endpoint_that_hides_what_waits_gives_a_typed_error(fresh: anvil.Anvil) -> None:
    """Some providers answer the pending count with the mined one: then the node's own refusal is what is told."""
    again = Deployer(fresh.url, OWNER)
    store, _ = again.plan_contracts(SETTINGS, [])
    with pytest.raises(DeployError, match=r"the endpoint refuses a transaction of 0x.*: "):
        await again.ensure(store)
    await again.close()


async def test_a_transaction_of_this_run_that_never_lands_is_a_typed_error(
    fresh: anvil.Anvil, chain: LocalChain
) -> None:
    await chain.rpc("anvil_dropAllTransactions")
    again = Deployer(fresh.url, OWNER, patience_s=0.5)
    with pytest.raises(DeployError, match=r"has waited 0.5 s: run this again when it is in the chain"):
        await again.deploy(SETTINGS, [])
    await again.close()
