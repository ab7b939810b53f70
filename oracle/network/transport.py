"""What a round needs of the way to other operators. Nothing of it is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Transport(Protocol):
    """Carries bytes to members of other processes, each named by its report address."""

    def broadcast(self, payload: bytes) -> None:
        """To all others."""

    def send(self, to: bytes, payload: bytes) -> None:
        """To one; lost where it is not reached."""

    def network_keys(self) -> Mapping[bytes, tuple[bytes, ...]]:
        """Addresses of the network keys that speak for each member, the newest first."""

    def trouble(self, member: bytes) -> str:
        """Why a member is not reached; "" where it is."""

    def reachable(self) -> tuple[bytes, ...]:
        """Members that are."""

    def note_weights(self, weights: Mapping[bytes, int]) -> None:
        """What each member weighs now: by it their clocks count."""


class NoTransport:
    """A process whose operators are all there are."""

    def broadcast(self, payload: bytes) -> None:
        """Nobody else hears it."""

    def send(self, to: bytes, payload: bytes) -> None:
        """There is nobody."""

    def network_keys(self) -> Mapping[bytes, tuple[bytes, ...]]:
        """None but those of the operators here."""
        return {}

    def trouble(self, member: bytes) -> str:
        """Whoever is not here is not reached."""
        return f"0x{member.hex()} does not sign here, and no [network] is configured"

    def reachable(self) -> tuple[bytes, ...]:
        """Nobody."""
        return ()

    def note_weights(self, weights: Mapping[bytes, int]) -> None:
        """Nobody's clock counts."""
