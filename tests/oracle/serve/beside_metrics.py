"""What a node, an archive and an endpoint's door expose, each with a sample of everything."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from oracle.archive.archive_gauges import ArchiveGauges
from oracle.follow.sources import SourceState
from oracle.node.follow_gauges import FollowGauges
from oracle.serve.door_gauges import DoorGauges
from oracle.serve.public_limits import PublicLimits
from oracle.serve.visitors import Visitors
from tests.oracle.serve.endpoint_client import NOW_MS


def node_text() -> str:
    """Of a node with one source."""
    states, sets = [SourceState(name="alpha", rank=0)], SimpleNamespace(error="")
    follower: Any = SimpleNamespace(newest_s=7, states=states, sets=sets)
    return FollowGauges(follower, lambda: NOW_MS, lambda: 0).render().decode()


def archive_text() -> str:
    """Of an archive with files."""
    part = SimpleNamespace(
        newest_s=7, error="", ready=SimpleNamespace(is_set=lambda: True), waiting=1, gaps=(), missing=2, written=3,
        reworded=0, conflicts=0, unwritable=0, breaks=0, rolled_up=0, dropped=0,
    )  # fmt: skip
    parts: Any = (part, part, part, part)
    return ArchiveGauges(*parts).render().decode()


def door_text() -> str:
    """Of what stands before an endpoint."""
    door: Any = SimpleNamespace(answered={"ready": 0}, limited={"rate": 0}, visitors=Visitors(PublicLimits()))
    return DoorGauges(door).render().decode()
