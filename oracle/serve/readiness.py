"""The document of /healthz and /readyz: how the process is, and how each target is."""

from __future__ import annotations

from dataclasses import asdict

from oracle.model.target_status import TargetStatus
from oracle.serve.documents import Document
from oracle.serve.interface import Health


def health_document(health: Health, now_ms: int) -> Document:
    """How the process is, and how each target is."""
    plain = {
        name: getattr(health, name) for name in type(health).__slots__ if name not in {"targets", "unready", "node"}
    }
    node = None if health.node is None else asdict(health.node)
    return {**plain, "targets": [_target_document(t, now_ms) for t in health.targets], "node": node}


def _target_document(target: TargetStatus, now_ms: int) -> Document:
    quorum = target.quorum
    return {
        "target": target.target,
        "sends": target.sends,
        "connected": target.connected,
        "looked_at_ms": target.looked_at_ms,
        "quorum": None
        if quorum is None
        else {
            "reachable": quorum.reachable,
            "weight": str(quorum.weight),
            "threshold": str(quorum.threshold),
            "missing": list(quorum.missing),
        },
        "pushes_left": target.pushes_left,
        "feeds": [
            {
                "feed": f.feed,
                "round": f.round_time_s,
                "age_s": f.age_s(now_ms),
                "heartbeat_s": f.heartbeat_s,
                "late": f.late(now_ms),
                "held": f.held,
                "scheduled": f.scheduled_s,
                "missed": f.missed(now_ms),
            }
            for f in target.feeds
        ],
    }
