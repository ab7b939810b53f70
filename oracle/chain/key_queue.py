"""One gas key with two users in a process: who proves goes first, whoever else has sent with the nonce; nobody prepares at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from oracle.chain.transaction import Fees


@dataclass(slots=True)
class KeyQueue:
    """What the users of a key know of each other.

    Attributes:
        lock: held from choosing a nonce until the transaction is journalled.
        proofs_open: whether proofs are under way: nothing else is sent then.
        waiting: fees of other transactions that may wait at the nodes, by nonce: a proof takes their nonce for more.
    """

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    proofs_open: Callable[[], bool] = lambda: False
    waiting: Callable[[], Mapping[int, Fees]] = dict
