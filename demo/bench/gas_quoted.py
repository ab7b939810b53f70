"""Gas of oracles that no npm package holds: figures measured beforehand on the same EVM (anvil 1.7.1), 2026-11-21.

Run from their public sources in the same steady state: Chainlink OCR2 (libocr 0a5e2f9, solc 0.8.19) behind no proxy,
Chronicle Scribe (12ff06c, 0.8.16 by IR), Pyth (pyth-crosschain 7c915eb, 0.8.29, its proxy, merkle depth 12, 19
guardians), DIA (decentral-feeder 94e1e8b, 0.8.29 and 0.8.34). What packages do hold is no store: pyth-sdk-solidity has
interfaces and a mock, @chainlink/contracts all but the aggregator that takes reports.

A floor here counts one slot a token, and of Chronicle's aggregate one signature.
"""

from __future__ import annotations

from demo.bench.gas_tools import PushGas, ReadGas, floor_of

_OPTIMISTIC = "Chronicle ScribeOptimistic, unchecked at first"
# system, tokens, signers, gas, bytes and gas of the calldata, recoveries of a signer
_PUSHES = (
    ("Chainlink OCR2", 1, 2, 94_799, 740, 5_468, 2),
    ("Chainlink OCR2", 1, 6, 131_432, 1_380, 11_904, 6),
    ("Chainlink OCR2", 1, 11, 177_336, 2_180, 20_048, 11),
    ("Chronicle Scribe", 1, 3, 68_305, 260, 1_868, 1),
    ("Chronicle Scribe", 1, 5, 80_973, 260, 1_904, 1),
    ("Chronicle Scribe", 1, 7, 92_174, 260, 1_928, 1),
    ("Chronicle Scribe", 1, 13, 124_881, 260, 2_000, 1),
    (_OPTIMISTIC, 1, 13, 54_632, 356, 3_152, 1),
    ("Pyth", 1, 13, 194_285, 1_444, 20_548, 13),
    ("Pyth", 10, 13, 426_957, 4_388, 64_856, 13),
    ("Pyth", 20, 13, 686_609, 7_684, 114_136, 13),
    ("DIA V2, one trusted sender", 1, 1, 34_354, 260, 1_376, 0),
    ("DIA V2, one trusted sender", 10, 1, 117_159, 1_412, 8_252, 0),
    ("DIA V2, one trusted sender", 20, 1, 209_158, 2_692, 15_880, 0),
    ("DIA V3, one trusted sender", 1, 1, 60_380, 260, 1_376, 0),
    ("DIA V3, one trusted sender", 10, 1, 331_926, 1_412, 8_252, 0),
    ("DIA V3, one trusted sender", 20, 1, 633_657, 2_692, 15_880, 0),
)
_READS = (
    ("Chainlink OCR2", "EACAggregatorProxy.latestRoundData", 18_798),
    ("Chronicle Scribe", "Scribe.latestRoundData", 8_364),
    ("Chronicle Scribe", "Scribe.read", 7_667),
    ("Chronicle ScribeOptimistic", "ScribeOptimistic.latestRoundData", 13_408),
    ("Pyth", "getPriceUnsafe, its proxy", 10_913),
    ("DIA V2, one trusted sender", "getValue", 6_064),
    ("DIA V3, one trusted sender", "getValue, its proxy", 10_989),
    ("DIA V2 Meta, median of 5 at the read", "getValue", 67_556),
)


def pushes() -> list[PushGas]:
    """Updates."""
    return [
        PushGas(
            system=system,
            tokens=tokens,
            signers=signers,
            gas=gas,
            calldata=size,
            floor=floor_of(calldata, signatures=checks, slots=tokens),
            quoted=True,
        )
        for system, tokens, signers, gas, size, calldata, checks in _PUSHES
    ]


def reads() -> list[ReadGas]:
    """Cold reads; how many contracts and slots each touches was not written down."""
    return [ReadGas(system=system, call=call, gas=gas, quoted=True) for system, call, gas in _READS]
