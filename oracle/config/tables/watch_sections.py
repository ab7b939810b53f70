"""[watch]: what operators have signed is held against itself, and two words that differ are proven."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from oracle.config.tables.forms import http_url, raw_address
from oracle.config.tables.operator_sections import RemoteSignerSection
from oracle.model.keys import key

_WATCH_DOC = "[the watch](operate.md#the-watch)"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSection(RemoteSignerSection):
    """[watch]: on wherever there are operators."""

    on: bool = key(
        default=True,
        says="compare all that operators sign, heard or landed, and keep what contradicts; `false`: nobody here notices a"
        " liar",
        see=_WATCH_DOC,
    )
    penalties: str | None = key(
        None,
        "address of the Penalties, which take evidence, on the chain of `target`; `check` compares it with what the chain says",
        form=raw_address,
        shown="the ones that the set of the target's store names; where signers have no stake, evidence is kept, and proven by"
        " nobody",
    )
    target: str | None = key(
        None,
        "name of the target whose store that contract and [keeper] are for",
        shown="the home target, else the first",
    )
    gas_keyfile: str | None = key(
        None,
        "encrypted key that pays for proofs and for what [keeper] does: no report key, and no target's gas key. None: evidence is"
        " kept, and carried by `lrt-oracle evidence prove` or by anybody else",
    )
    passphrase_env: str = key("LRT_ORACLE_WATCH_PASSPHRASE", "environment variable with the keyfile's passphrase")
    endpoints: tuple[str, ...] = key(
        (),
        "public endpoints (the API) of operators, e.g. `https://oracle.example`, with `?target=NAME` where the store is not their"
        " first: the sealed rounds that each shows are compared with what the others and the chains say. For a watch that is"
        " in no network; each may lie, and what no key of a store's set has signed counts for nothing",
        form=http_url,
    )
    keep_days: int = key(
        7, "how long words are kept to be compared with; as long as the contract takes evidence of a round", least=1
    )
    catch_up_blocks: int = key(7_200, "blocks that are read at most where the watch was away, or starts anew", least=1)

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the keys together: the key, and what to write."""
        if self.signer_address is not None and self.gas_keyfile is not None:
            yield "gas_keyfile", "gas_keyfile and signer_url are two keys: write one of them"
        yield from self.remote_problems()
