"""How an operator is reached, and the grade of that: what is tried from outside, and what a running process sees beside it."""

from __future__ import annotations

from typing import Any

import pytest

from oracle.check.reaching import PeerFinding
from oracle.network.mesh.faults import LinkFault
from oracle.network.mesh.probe import Grade, ProbeResult

ADDRESS = b"\x11" * 20


def finding(seen: dict[str, Any] | None = None, **probed: Any) -> PeerFinding:
    result = ProbeResult(address=ADDRESS, name="beta", grade=probed.pop("grade", Grade.POOR), **probed)
    return PeerFinding(probe=result, weight=1, where="config", silence="", seen=seen)


def test_what_answers_from_outside_is_reached_directly_with_the_probe_s_grade() -> None:
    found = finding(grade=Grade.GOOD, round_trip_ms=3.5, clock_offset_ms=-2, build="1.0")
    assert (found.reached, found.grade) == ("direct", Grade.GOOD)
    assert "3.5 ms" in found.line()
    assert "clock -2 ms" in found.line()


@pytest.mark.parametrize(
    ("seen", "reached"),
    [({"path": "inbound"}, "inbound"), ({"path": "via", "via": ["gamma", "delta"]}, "via gamma, delta")],
)
def test_what_only_a_running_process_reaches_is_fair(seen: dict[str, Any], reached: str) -> None:
    found = finding(seen, fault=LinkFault.UNREACHABLE, reason="nobody listens")
    assert (found.reached, found.grade) == (reached, Grade.FAIR)
    assert found.document()["reached"] == reached


@pytest.mark.parametrize("seen", [None, {"path": "none"}, {}])
def test_what_nobody_reaches_is_poor_with_its_reason(seen: dict[str, Any] | None) -> None:
    found = finding(seen, grade=Grade.FAIR, reason="it announces no address")
    assert (found.reached, found.grade) == ("not", Grade.POOR)
    assert "it announces no address" in found.line()
