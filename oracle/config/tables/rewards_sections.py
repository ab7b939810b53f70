"""[rewards]: what members of an epoch are owed, agreed on and posted by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from oracle.config.tables.forms import raw_address
from oracle.config.tables.operator_sections import RemoteSignerSection
from oracle.model.keys import key

_ROOTS_DOC = "[reports by themselves](stake.md#reports-by-themselves)"


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardsSection(RemoteSignerSection):
    """[rewards]: off without a contract."""

    contract: str | None = key(
        None,
        "address of the Rewards contract, on the chain of `target`; `check` compares it with what the chain says. None: reports of"
        " epochs are made by hand",
        form=raw_address,
        see=_ROOTS_DOC,
    )
    target: str | None = key(
        None, "name of the target whose store's signers it pays", shown="the home target, else the first"
    )
    attempt_s: int = key(
        60,
        "how long a member leads the agreement on a report, before the next one does; all operators must have the same",
        least=4,
        see=_ROOTS_DOC,
    )
    stage_s: int = key(
        60, "how long another operator whose turn it is to post a report is waited for before this one does", least=1
    )
    gas_keyfile: str | None = key(
        None,
        "encrypted key that pays for reports: no report key, no target's gas key, not the watch's. None: others post",
    )
    passphrase_env: str = key("LRT_ORACLE_REWARDS_PASSPHRASE", "environment variable with the keyfile's passphrase")

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the keys together: the key, and what to write."""
        if self.signer_address is not None and self.gas_keyfile is not None:
            yield "gas_keyfile", "gas_keyfile and signer_url are two keys: write one of them"
        if self.contract is None and (self.gas_keyfile is not None or self.signer_url is not None):
            yield "contract", "there is a key that pays, and nothing to pay for: write the address of the contract"
        yield from self.remote_problems()
