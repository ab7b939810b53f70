"""The clients of a process by chain: when a chain has other endpoints, all of them ask those, and lose nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from weakref import WeakSet

from oracle.chain.quorum_rpc import QuorumRpc


class ChainLinks:
    """Who asks the endpoints of which chain. A client that nobody has any more is forgotten by itself."""

    def __init__(self) -> None:
        self._clients: dict[str, WeakSet[QuorumRpc]] = {}

    def note(self, chain: str, client: QuorumRpc) -> None:
        """A client asks the endpoints of this chain of the config."""
        self._clients.setdefault(chain, WeakSet()).add(client)

    def use(self, chain: str, urls: Sequence[str]) -> Callable[[], None]:
        """Have all clients of a chain ask these. Returns what takes it back."""
        undo = ExitStack()
        for client in tuple(self._clients.get(chain, ())):
            undo.callback(client.use(urls))
        return undo.close
