"""EigenSlasher over EigenLayer's unmodified core of v1.4, whose `slashOperator` returns nothing.

The creation code of AllocationManager, DelegationManager, StrategyManager and PermissionController is in the package eigensdk
(solc 0.8.27; equal to the tag v1.4.0-testnet-holesky). The release has no KeyRegistrar: that, and the set's registrar, is the
stand-in's part, and so is the pod manager. No share is deposited: an operator's magnitudes are slashed all the same.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyrevm
import pytest
from eth_utils.crypto import keccak

import contracts
from tests.contracts.contract_tools import Compiled, compiled
from tests.contracts.evm_process import OWNER, Evm

AVS, OPERATOR, KEY = ("0x" + f"{i:040x}" for i in (0xA5, 0x0B, 0x77))
STRATEGIES = ["0x" + f"{i:040x}" for i in (0x51, 0x22, 0x33)]
SET_ID, WHOLE, BLOCKS = 7, 10**18, 100_800


def core(name: str) -> Compiled:
    """A contract of the core, as the package has it; importing the package itself would start a client."""
    spec = find_spec("eigensdk")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0]) / "contracts" / "ABI"
    raw = json.loads((folder / f"{name}.json").read_bytes())
    return Compiled(abi=raw["abi"], bytecode=raw["bytecode"]["object"])


class Eigen:
    """The core, an operator that allocated all it has to one set, and our slasher, which the service has appointed."""

    def __init__(self) -> None:
        evm = self.evm = Evm()
        self.rights = evm.create(core("PermissionController"), "v1.4.0")
        self.keys = evm.create(compiled("tests/contracts/solidity/EigenStandIn.sol")["EigenStandIn"], [], False)
        # they name one another: three addresses known before
        nonce = int(evm.evm.basic(OWNER).nonce)
        places = [created(OWNER, nonce + i) for i in range(3)]
        allocation, delegation, manager = places
        made = [
            evm.create(core("AllocationManager"), delegation, OWNER, self.rights, BLOCKS, 0, "v1.4.0"),
            evm.create(core("DelegationManager"), manager, self.keys, allocation, OWNER, self.rights, 1, "v1.4.0"),
            evm.create(core("StrategyManager"), delegation, OWNER, "v1.4.0"),
        ]
        assert [m.lower() for m in made] == places
        self.allocation, self.delegation = made[:2]
        evm.ok(self.keys, "register", OPERATOR, KEY)
        self.slasher = evm.create(contracts.load("EigenSlasher"), self.allocation, self.keys, AVS, SET_ID)
        evm.ok(self.slasher, "setRegistry", OWNER)
        self._join()

    def _join(self) -> None:
        evm, at = self.evm, self.allocation
        evm.ok(at, "updateAVSMetadataURI", AVS, "about:blank", sender=AVS)
        evm.ok(at, "setAVSRegistrar", AVS, self.keys, sender=AVS)
        evm.ok(at, "createOperatorSets", AVS, [(SET_ID, STRATEGIES)], sender=AVS)
        evm.ok(self.delegation, "registerAsOperator", OPERATOR, 0, "about:blank", sender=OPERATOR)
        evm.ok(at, "registerForOperatorSets", OPERATOR, (AVS, [SET_ID], b""), sender=OPERATOR)
        # an operator's allocation delay is known from the next block on
        evm.evm.set_block_env(pyrevm.BlockEnv(number=2, timestamp=evm.now))
        allocations = [((AVS, SET_ID), STRATEGIES, [WHOLE] * len(STRATEGIES))]
        evm.ok(at, "modifyAllocations", OPERATOR, allocations, sender=OPERATOR)
        assert self.left == [WHOLE] * len(STRATEGIES)

    def appoint(self) -> None:
        """The service lets the slasher slash."""
        selector = keccak(text="slashOperator(address,(address,uint32,address[],uint256[],string))")[:4]
        self.evm.ok(self.rights, "setAppointee", AVS, self.slasher, self.allocation, selector, sender=AVS)

    def slash(self, fraction: int, evidence: bytes) -> str:
        return self.evm.call(self.slasher, "slash", KEY, fraction, evidence)[0]

    @property
    def left(self) -> list[int]:
        """What the operator still has allocated, by strategy."""
        told = [self.evm.ok(self.allocation, "getAllocation", OPERATOR, (AVS, SET_ID), s) for s in STRATEGIES]
        return [int(one[0]) for one in told]


def created(sender: str, nonce: int) -> str:
    """Address of the contract that an account makes with a nonce below 128."""
    assert nonce < 128
    return "0x" + keccak(b"\xd6\x94" + bytes.fromhex(sender[2:]) + bytes([nonce or 0x80]))[12:].hex()


@pytest.mark.parametrize("fraction", [WHOLE, WHOLE // 4])
def test_the_core_that_answers_nothing_slashes(fraction: int) -> None:
    eigen = Eigen()
    eigen.appoint()
    evidence = keccak(text="two words")
    assert eigen.slash(fraction, evidence) == ""
    assert eigen.left == [WHOLE - fraction] * len(STRATEGIES)
    maxima: list[Any] = [eigen.evm.ok(eigen.allocation, "getMaxMagnitude", OPERATOR, s) for s in STRATEGIES]
    assert maxima == eigen.left
    assert eigen.evm.ok(eigen.slasher, "done", evidence) is True
    assert eigen.slash(fraction, evidence) == "Repeated"


def test_a_slash_that_the_core_refuses_is_not_done() -> None:
    eigen = Eigen()
    evidence = keccak(text="two words")
    assert eigen.slash(WHOLE, evidence) == "0x" + keccak(text="InvalidPermissions()")[:4].hex()
    assert eigen.left == [WHOLE] * len(STRATEGIES)
    assert eigen.evm.ok(eigen.slasher, "done", evidence) is False
    eigen.appoint()
    assert eigen.slash(WHOLE, evidence) == ""
    assert eigen.left == [0] * len(STRATEGIES)
