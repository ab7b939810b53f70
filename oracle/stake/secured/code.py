"""Whether the contracts around a store are those that they answer as: their code, and that each is joined to the others."""

from __future__ import annotations

from collections.abc import AsyncIterator

from oracle.chain.known_code import immutable_address, is_code_of
from oracle.stake.discover import SourceKind, StakeSystem
from oracle.stake.reads import ZERO, StakeReads

_SOURCES = {
    SourceKind.DELEGATED: "DelegatedStake",
    SourceKind.SYMBIOTIC: "SymbioticStake",
    SourceKind.EIGENLAYER: "EigenStake",
}


async def strange_contracts(reads: StakeReads, system: StakeSystem, values: tuple[str, ...]) -> tuple[str, ...]:
    """Sentences: what has other code than ours, or obeys others than the set's own penalties.

    Code alone does not say how a contract was made: one with our code and a constructor of its own could begin with other books.

    Raises:
        ChainError: endpoints do not answer or agree.
    """
    code = [s async for s in _other_code(reads, system, values)]
    return (*code, *[s async for s in _other_links(reads, system)])


async def _other_code(reads: StakeReads, system: StakeSystem, values: tuple[str, ...]) -> AsyncIterator[str]:
    named = {
        "StakedSet": [system.set],
        "KeyBook": [system.book],
        "Penalties": [system.penalties],
        "Rewards": [system.rewards],
    }
    named["CollateralValues"] = [*values]
    for kind, contract in _SOURCES.items():
        named[contract] = [s.at for s in system.of_kind(kind)]
    for contract, function, within in (
        ("StakeWindows", "windows", "StakedSet"),
        ("SymbioticVaults", "vaults", "SymbioticStake"),
    ):
        found = [await reads.tried(at, within, function) for at in named[within]]
        named[contract] = [f[0] for f in found if f is not None]
    set_code = await reads.code(system.set)
    if is_code_of("StakedSet", set_code):
        named["WeightMath"] = [immutable_address("StakedSet", set_code, "math")]
    for contract, addresses in named.items():
        for at in addresses:
            if not is_code_of(contract, await reads.code(at)):
                yield f"{at} answers as a {contract} and has other code than that of this version: what it says may not be so"


async def _other_links(reads: StakeReads, system: StakeSystem) -> AsyncIterator[str]:
    wanted = [
        (system.book, "KeyBook", "set", system.set),
        (system.book, "KeyBook", "penalties", system.penalties),
        (system.penalties, "Penalties", "set", system.set),
        (system.penalties, "Penalties", "book", system.book),
        (system.rewards, "Rewards", "set", system.set),
    ]
    for source in system.sources:
        contract = _SOURCES.get(source.kind, "Connected")
        wanted += [(source.at, contract, "set", system.set), (source.at, contract, "penalties", system.penalties)]
    for at, contract, function, other in wanted:
        found = await reads.tried(at, contract, function)
        if found is None or found[0] != other:
            said = "no answer" if found is None else "nobody" if found[0] == ZERO else found[0]
            yield f"`{function}` of {at} is {said}, not {other}: they do not work together, and nothing may be taken there"
    for place, source in enumerate(system.sources):
        asked = await reads.tried(system.penalties, "Penalties", "sources", place)
        if asked is None or asked[0] != source.at:
            yield f"the penalties do not reach {source.at}: nothing is taken there"
