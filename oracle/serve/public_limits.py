"""What one visitor of the endpoint may do: values of the config, and the bucket of tokens that keeps to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

PROXY_HEADERS = ("x-forwarded-for", "forwarded")
"""The header in which a proxy says whose request it hands on; only the one that is configured is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitorLimits:
    """Of one address, or of one key.

    ``per_s``: requests a second in the long run; 0: as many as come. ``burst``: at once after a pause. ``streams``: open at a time.
    """

    per_s: int = 0
    burst: int = 1
    streams: int = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicLimits:
    """Limits by address.

    ``connections``: of one address at a time. ``unlimited``: the operator's own networks. ``proxies``: whose word about the
    address behind them counts, in the header ``proxy_header``. ``keys``: name and limits by the SHA-256 of a key.
    """

    each: VisitorLimits = field(default_factory=VisitorLimits)
    connections: int = 1 << 30
    unlimited: tuple[IPv4Network | IPv6Network, ...] = ()
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    proxy_header: str = PROXY_HEADERS[0]
    keys: Mapping[bytes, tuple[str, VisitorLimits]] = field(default_factory=dict)


class Visitor:
    """One address or key, while it is remembered.

    Args:
        name: the address, or the key's name.
        limits: its own.
        is_limited: whether they hold for it.
        is_proxy: whether it hands on others' requests.

    Attributes:
        connections: that are open.
        streams: that are open.
    """

    __slots__ = (
        "_burst_s",
        "_full_at_s",
        "_step_s",
        "connections",
        "is_limited",
        "is_proxy",
        "limits",
        "name",
        "streams",
    )

    def __init__(self, name: str, limits: VisitorLimits, *, is_limited: bool = True, is_proxy: bool = False) -> None:
        self.name, self.limits, self.is_limited, self.is_proxy = name, limits, is_limited, is_proxy
        self._step_s = 1 / limits.per_s if limits.per_s and is_limited else 0.0
        self._burst_s = self._step_s * limits.burst
        self._full_at_s = 0.0
        self.connections = self.streams = 0

    def take(self, tokens: int, now_s: float) -> float:
        """Take tokens from the bucket; how many seconds are missing until they are there, 0.0 where they were.

        More than the bucket holds are there when it is full. Instead of a count and its time there is the time when it is full.
        """
        if not self._step_s:
            return 0.0
        full_at_s = max(self._full_at_s, now_s)
        wanted_s = min(tokens * self._step_s, self._burst_s)
        missing_s = full_at_s + wanted_s - now_s - self._burst_s
        if missing_s > 1e-9:  # noqa: PLR2004 - what adding fractions of a second leaves
            return missing_s
        self._full_at_s = full_at_s + wanted_s
        return 0.0

    def is_idle(self, now_s: float) -> bool:
        """Whether nothing is lost by forgetting it."""
        return not self.connections and not self.streams and self._full_at_s <= now_s
