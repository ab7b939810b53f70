"""The contract that takes evidence: the one that a config names, or the one that the set of its store names."""

from __future__ import annotations

from oracle.chain.store_client import GasSigner
from oracle.config.check_watch import watch_target
from oracle.config.sections import Config
from oracle.config.tables.forms import raw_address
from oracle.watch.proof_contract import ProofContract


def proof_contract(config: Config, signer: GasSigner | None) -> ProofContract | None:
    """The contract that takes evidence; None where there is no store."""
    name = watch_target(config)
    if name is None:
        return None
    target, named = config.targets[name], config.watch.penalties
    chain = config.chains[target.chain]
    return ProofContract(
        chain.endpoints, chain.chain_id, b"" if named is None else raw_address(named), signer,
        max_fee_gwei=target.max_fee_gwei, agree=target.agree, store=raw_address(target.store),
    )  # fmt: skip
