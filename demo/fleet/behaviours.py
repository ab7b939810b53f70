"""Members that misbehave on a real network: each is the real thing, but for what it says."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from demo.scenarios import Liar
from oracle.assemble.network import MakeMember, make_member

BEHAVIOURS: Mapping[str, MakeMember] = MappingProxyType(
    {"honest": make_member, "liar": lambda operator: Liar(operator=operator)}
)
