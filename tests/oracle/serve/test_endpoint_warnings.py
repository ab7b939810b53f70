"""An RPC endpoint that is down for long is warned of by chain and host; a short outage is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from feeds.chains.endpoint import EndpointState
from feeds.errors import Unreachable
from feeds.units import MS
from oracle.serve.endpoint_warnings import DOWN_MS, endpoint_warnings
from tests.oracle.serve.service_world import ROUND_S, ServiceWorld

NOW_MS = ROUND_S * MS
ALL_DOWN = ("a.example for 120 s (UNREACHABLE)", "b.example for 61 s (UNREACHABLE)")
WELL = EndpointState(name="a.example", usable=True, head=None, error=None)


def down(name: str, for_ms: int) -> EndpointState:
    return EndpointState(
        name=name, usable=False, head=None, error=Unreachable("refused"), down_since_ms=NOW_MS - for_ms
    )


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ((WELL, WELL), None),
        ((WELL, down("b.example", DOWN_MS)), None),
        (
            (WELL, down("b.example", DOWN_MS + MS)),
            "chain home: 1 of 2 endpoints are down: b.example for 61 s (UNREACHABLE)",
        ),
        (
            (down("a.example", 2 * DOWN_MS), down("b.example", DOWN_MS + MS)),
            "chain home: no endpoint is well, so its sources have no price: " + "; ".join(ALL_DOWN),
        ),
    ],
)
def test_an_endpoint_that_is_down_for_over_a_minute_is_warned_of(
    states: tuple[EndpointState, ...], said: str | None
) -> None:
    assert list(endpoint_warnings({"home": states}, NOW_MS)) == ([] if said is None else [said])


def test_it_is_a_warning_of_readyz_and_no_reason_not_to_be_ready(tmp_path: Path) -> None:
    world = ServiceWorld(tmp_path)
    before = world.service.health()
    world.service.chains = lambda: {"home": (WELL, down("b.example", 2 * DOWN_MS))}
    health = world.service.health()
    assert (health.ready, health.reasons, health.degraded) == (before.ready, before.reasons, True)
    assert [w for w in health.warnings if w not in before.warnings] == [
        "chain home: 1 of 2 endpoints are down: b.example for 120 s (UNREACHABLE)"
    ]
