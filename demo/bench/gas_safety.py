"""What each rule of the store costs: the same store compiled without it, pushed to in the same steady state.

Each rule is a piece of the source that is removed or replaced before it is compiled; these stores are never deployed
anywhere but here. A piece that is no longer in the source ends the run: the list must follow the source.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import contracts
from demo.bench.gas_store import BenchStore
from demo.bench.gas_tools import BenchChain, BenchError, calldata_gas, compiled
from demo.world.npm import NpmArtifact

_ROOT = Path(contracts.__file__).parent
_STORE, _SIGNERS, _SIGNATURES = "PriceStore.sol", "store/StoreSigners.sol", "store/StoreSignatures.sol"
_WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, and its file without it: pieces of the source, each found exactly once, with what replaces them."""

    name: str
    file: str
    pieces: Sequence[tuple[str, str]]


RULES = (
    Rule(
        "step limit on both prices, and that a price a token has is there",
        _STORE,
        (
            ("let far := gt(add(mul(sub(shr(168, fresh), a), 10000), reach), add(reach, reach))", "let far := 0"),
            (
                "far := or(far, gt(add(mul(sub(shr(168, shl(88, fresh)), a), 10000), reach), add(reach, reach)))",
                "",
            ),
        ),
    ),
    Rule(
        "one round a transaction",
        _STORE,
        (
            ("if (seen == 0) roundOfTransaction = roundTime;", ""),
            ("else if (seen != roundTime) revert SecondRound(roundTime, seen);", ""),
            ("uint256 seen = roundOfTransaction;", ""),
        ),
    ),
    Rule(
        "a batch neither old nor from the future",
        _STORE,
        (
            ("if (roundTime + maxPushAgeS < block.timestamp) revert TooOld(roundTime, block.timestamp);", ""),
            ("if (roundTime > block.timestamp + MAX_AHEAD_S) revert TooFarAhead(roundTime, block.timestamp);", ""),
        ),
    ),
    Rule(
        "gaps of minGapS (time still strictly increases)",
        _STORE,
        (
            (
                "far := or(far, lt(roundTime, add(and(old, LOW_32), and(class, 0xffff))))",
                "far := or(far, iszero(gt(roundTime, and(old, LOW_32))))",
            ),
        ),
    ),
    Rule(
        "pause",
        _STORE,
        (("plain := iszero(or(far, or(iszero(old), and(old, PAUSED))))", "plain := iszero(or(far, iszero(old)))"),),
    ),
    Rule(
        "state is one of three, and somebody looked at the prices",
        _STORE,
        (("far := or(far, gt(sub(and(shr(56, fresh), 0x0f), 1), 2))", ""),),
    ),
    Rule("spread fits into its 14 bits", _STORE, (("far := or(far, and(shr(78, fresh), 3))", ""),)),
    Rule(
        "stake weights, not heads",
        _SIGNATURES,
        (("weight := add(weight, shr(160, shl(160, member)))", "weight := add(weight, 1)"),),
    ),
    Rule(
        "signers ascend, so nobody counts twice",
        _SIGNATURES,
        (
            ("or(lt(index, next), iszero(lt(index, count_)))", "iszero(lt(index, count_))"),
            ("next := add(index, 1)", ""),
        ),
    ),
    Rule(
        "epochs that end by time",
        _SIGNERS,
        (
            (
                (
                    "if (epoch != _epochOf(packed) || block.timestamp >= ends || roundTime >= ends) {\n"
                    "            packed = _setOfOtherEpoch(packed, epoch, roundTime);\n        }"
                ),
                "(ends, epoch);",
            ),
            ("if (roundTime < activeAtOf(words)) revert WrongEpoch(epoch, _epochOf(set));", ""),
        ),
    ),
    Rule(
        "a set that nobody replaced expires",
        _SIGNERS,
        (("if (roundTime > lastRoundOf(words)) revert Expired(roundTime, _expiresAt(words));", ""),),
    ),
    Rule(
        "another kind of signature is told by its name",
        _SIGNATURES,
        (("if (length != 0 && uint8(signatures[0]) == OTHER_KIND)", "if (false)"),),
    ),
    Rule("the event", _STORE, (("emit Pushed(digest_, uint32(roundTime), written);", ""),)),
)


async def without(
    ground: BenchChain, tokens: Sequence[int] = (1, 5, 20), signers: int = 5
) -> AsyncIterator[dict[str, Any]]:
    """Each rule with the gas that it costs in a push of so many tokens, without calldata, which differs by chance."""
    artifacts = stores()
    whole = await _execution(ground, artifacts[_WHOLE], tokens, signers)
    for rule in RULES:
        bare = await _execution(ground, artifacts[rule.name], tokens, signers)
        costs = [{"tokens": n, "gas": whole[n] - bare[n]} for n in tokens]
        yield {"rule": rule.name, "signers": signers, "costs": costs}


@cache
def stores() -> dict[str, NpmArtifact]:
    """The store by the rule that it lacks, and the whole one; BenchError if that is not the one in the artifacts.

    It takes a while: ask before the chain of a measurement begins, whose clock goes on.
    """
    paths = [_ROOT / _STORE, *sorted(_ROOT.glob("store/*.sol")), *sorted(_ROOT.glob("interfaces/IPriceStore*.sol"))]
    texts = {path.relative_to(_ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}
    settings = json.loads((contracts.ARTIFACTS / "PriceStore.json").read_text(encoding="utf-8"))["settings"]
    kinds = {_WHOLE: texts} | {rule.name: lacking(rule, texts) for rule in RULES}
    sources = {f"{at}/{file}": text for at, kind in enumerate(kinds.values()) for file, text in kind.items()}
    contracts_by_path = compiled(sources, settings)
    artifacts = {name: contracts_by_path[f"{at}/{_STORE}:PriceStore"] for at, name in enumerate(kinds)}
    if bytes.fromhex(artifacts[_WHOLE].bytecode[2:]) != contracts.load("PriceStore").bytecode:
        raise BenchError("the store that was compiled is not the one in contracts/artifacts: run `make artifacts`")
    return artifacts


def lacking(rule: Rule, texts: Mapping[str, str]) -> dict[str, str]:
    """The sources by file, without the rule; BenchError if they no longer contain it literally."""
    text = texts[rule.file]
    for piece, instead in rule.pieces:
        if text.count(piece) != 1:
            raise BenchError(f"{rule.file} has {text.count(piece)} times {piece!r}, not once: rule {rule.name!r}")
        text = text.replace(piece, instead)
    return {**texts, rule.file: text}


async def _execution(ground: BenchChain, artifact: NpmArtifact, tokens: Sequence[int], signers: int) -> dict[int, int]:
    """Gas of pushes by tokens, without their calldata's."""
    store = await BenchStore.create(ground, artifact, tokens=max(tokens), signers=signers)
    gas_by_tokens = {}
    for size in tokens:
        gas, data = await store.push(size)
        gas_by_tokens[size] = gas - calldata_gas(data)
    return gas_by_tokens
