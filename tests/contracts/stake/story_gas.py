"""What a call costs as a transaction of its own, on the EVM in this process.

That EVM takes all calls for one transaction, so that what was touched before is cheap. Here the state, as the EVM itself
writes it down, is put into a new one, in which nothing was touched and what is stored was there before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyrevm
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from oracle.chain.store_abi import abi_type
from tests.contracts.stake.eigen_world import MiningEvm

ACCOUNT = re.compile(
    r"(0x[0-9a-f]{40}): Account \{ info: AccountInfo \{ balance: (\d+), nonce: (\d+), code_hash: 0x[0-9a-f]+, code: Some\("
    r"Bytecode \{ bytecode: 0x([0-9a-f]*), state: Analysed \{ len: (\d+), .*?storage: \{(.*?)\}, status: AccountStatus"
)
SLOT = re.compile(r"(\d+): StorageSlot \{ previous_or_original_value: \d+, present_value: (\d+) \}")


def untouched(evm: pyrevm.EVM, number: int, timestamp: int) -> pyrevm.EVM:
    """The same state at this block, of which a first transaction has touched nothing."""
    copy = pyrevm.EVM(spec_id="CANCUN")
    copy.set_block_env(pyrevm.BlockEnv(number=number, timestamp=timestamp))
    for address, balance, nonce, code, length, storage in ACCOUNT.findall(evm.journal_str):
        held = bytes.fromhex(code)[: int(length)]
        copy.insert_account_info(address, pyrevm.AccountInfo(nonce=int(nonce), balance=int(balance), code=held or None))  # type: ignore[call-arg]
        for slot, value in SLOT.findall(storage):
            before = copy.snapshot()
            copy.insert_account_storage(address, int(slot), int(value))
            copy.revert(before)  # the value stays; that the account was touched does not
    return copy


def cost_of(evm: MiningEvm, by: str, to: str, function: str, args: Sequence[Any], value: int = 0) -> int:
    """Gas of a call that must be taken, as a transaction of its own; it is not made."""
    kinds = [abi_type(i) for i in evm.abis[to][function]["inputs"]]
    data = keccak(text=f"{function}({','.join(kinds)})")[:4] + encode(kinds, args)
    fresh = untouched(evm.evm, evm.number, evm.now)
    fresh.message_call(by, to, data, value=value)
    assert fresh.result is not None
    return int(fresh.result.gas_used)
