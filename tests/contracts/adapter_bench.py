"""Numbers that tests of views over views share: tokens of a pair, troubles, the first block, ages."""

from __future__ import annotations

from web3 import Web3

BASE, QUOTE, OTHER = (Web3.to_checksum_address(f"0x{i:040x}") for i in (0xB1, 840, 0xB3))
NONE, NO_DATA, HALT, STALE, SEQUENCER = range(5)
FIRST_S = 1_999_000_000
MAX_AGE_S = 600
