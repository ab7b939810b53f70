"""An operator's announcement brought to the OperatorDirectory: anybody may carry it, its signature says whose it is."""

from __future__ import annotations

from typing import Any

import coincurve

import contracts
from feeds.chains.abi import checksummed
from oracle.chain.store_abi import call_of
from oracle.deploy.deployer import Deployer
from oracle.sign.announcement import SignedAnnouncement
from oracle.sign.eip712 import Domain

_NAME = "OperatorDirectory"


def announcement_call(domain: Domain, signed: SignedAnnouncement) -> bytes:
    """Calldata of ``announce`` for a store's directory."""
    data, _ = call_of(_NAME, "announce", ("0x" + domain.store.hex(), signed.raw))
    return data


async def send_announcement(
    endpoint: str, payer: coincurve.PrivateKey, directory: str, domain: Domain, signed: SignedAnnouncement
) -> str:
    """Send it and wait for the block; returns the hash of the transaction.

    Raises:
        DeployError: the directory does not take it, or the transaction does not land.
    """
    deployer = Deployer(endpoint, payer)
    try:
        contract: Any = deployer.contract(contracts.load(_NAME).abi, directory)
        receipt = await deployer.transact(contract.functions.announce(checksummed(domain.store), signed.raw))
    finally:
        await deployer.close()
    return "0x" + bytes(receipt["transactionHash"]).hex()
