"""The contract that takes evidence, as a config names it."""

from __future__ import annotations

from oracle.chain.store_client import GasSigner
from oracle.config.check_watch import watch_target
from oracle.config.sections import Config
from oracle.config.tables.forms import raw_address
from oracle.watch.proof_contract import ProofContract


def proof_contract(config: Config, signer: GasSigner | None) -> ProofContract | None:
    """The contract that takes evidence; None where the config names none."""
    name = watch_target(config)
    if config.watch.penalties is None or name is None:
        return None
    target = config.targets[name]
    chain = config.chains[target.chain]
    return ProofContract(
        chain.endpoints, chain.chain_id, raw_address(config.watch.penalties), signer,
        max_fee_gwei=target.max_fee_gwei, agree=target.agree,
    )  # fmt: skip
