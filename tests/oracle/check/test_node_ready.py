"""What `lrt-oracle check` and `doctor` find of [node] and [nats]: real operators, and a real server that is wrong in one way each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from demo.world.anvil import free_port
from oracle.check.node_ready import NodeFindings, node_findings
from oracle.config.sections import parse
from oracle.doctor.examine import serving_findings
from oracle.doctor.findings import Severity
from oracle.nats.link import connected
from tests.oracle.config.small_config import spot_sources
from tests.oracle.follow.follow_world import Site, site
from tests.oracle.nats.nats_process import NatsProcess, needs_nats

pytestmark = [pytest.mark.chain, pytest.mark.loopback]
HOUR_NS, MB = 3_600_000_000_000, 1 << 20


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site")) as made:
        made.rounds(2)
        yield made


def table(here: Site, **sections: Any) -> dict[str, Any]:
    return {
        "chains": {"local": {"chain_id": here.domain.chain_id, "endpoints": [here.url]}},
        "targets": {"main": {"chain": "local", "store": here.bench.store.address}},
        "feeds": {"ETH/USD": {"sources": spot_sources("ETH/USD")}},
        **sections,
    }


async def found(here: Site, *, later_s: int = 0, **sections: Any) -> NodeFindings:
    return await node_findings(parse(table(here, **sections)), here.now_ms() // 1_000 + later_s)


def worst(findings: NodeFindings, name: str) -> Severity:
    """As the doctor shows it; whatever is wrong says what to do."""
    document = {
        "errors": [{"key": p.key, "text": p.text} for p in findings.problems],
        "alarms": findings.alarms,
        "notes": findings.notes,
    }
    shown = list(serving_findings(name, document))
    assert all(f.advice for f in shown if f.severity > Severity.INFO)
    return max(f.severity for f in shown)


async def test_operators_that_are_gone_late_or_of_another_store_are_found(here: Site) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    async with here.process() as one:
        well = await found(here, node={"operators": [one.url], "keep_hours": 1})
        assert (well.problems, well.alarms, worst(well, "node")) == ([], [], Severity.OK)
        assert "tells rounds of 0.0 h, keep_hours asks for 1" in well.notes[0]
        half = await found(here, node={"operators": [one.url, dead]})
        assert (half.problems, len(half.alarms), worst(half, "node")) == ([], 1, Severity.WARNING)
        assert dead.removeprefix("http://") in half.alarms[0]
        (late,) = (await found(here, later_s=1_000, node={"operators": [one.url]})).alarms
        assert "is 1000 s old: ask its operator" in late
        other = table(here, node={"operators": [one.url]})
        other["targets"]["main"]["store"] = "0x" + "12" * 20
        strange = await node_findings(parse(other), here.now_ms() // 1_000)
        assert "not that of this config: correct its address, or choose one of its stores" in strange.problems[0].text
    lost = await found(here, node={"operators": [dead, here.url]})
    assert [p.key for p in lost.problems] == ["node.operators"]
    assert worst(lost, "node") is Severity.CRITICAL
    assert len(lost.alarms) == 2


@asynccontextmanager
async def server(folder: Path, config: str = "", **options: Any) -> AsyncIterator[NatsProcess]:
    made = NatsProcess(folder, config, **options)
    await made.start()
    yield made
    await made.kill()


OPERATOR = [{"name": "a", "keyfile": "a.json", "journal": "a.db"}]


@needs_nats
async def test_a_server_that_is_gone_or_keeps_no_streams_and_a_stream_that_is_not_there(
    here: Site, tmp_path: Path
) -> None:
    gone = await found(here, nats={"servers": [f"nats://127.0.0.1:{free_port()}"]})
    assert "no server answers" in gone.problems[0].text
    assert worst(gone, "nats") is Severity.CRITICAL
    async with server(tmp_path / "plain", jetstream=False) as plain:
        (problem,) = (await found(here, nats={"servers": [plain.url]})).problems
        assert "JetStream is off" in problem.text
    async with server(tmp_path / "streams") as full:
        (problem,) = (await found(here, nats={"servers": [full.url]})).problems
        assert (problem.key, "start the operator that hands on" in problem.text) == ("nats.stream", True)
        first = await found(here, nats={"servers": [full.url]}, operators=OPERATOR)
        assert (first.problems, first.alarms, worst(first, "nats")) == ([], [], Severity.OK)
        assert "it is made at the start" in first.notes[0]


@needs_nats
async def test_limits_of_the_stream_against_the_config(here: Site, tmp_path: Path) -> None:
    async with server(tmp_path / "nats", "max_payload: 4096") as nats:
        client = await connected(nats.access)
        stream = client.jetstream()
        await stream.add_stream(
            name="LRT_ORACLE_ROUNDS",
            subjects=["lrt.>"],
            max_age=3_600,
            max_bytes=MB,
            discard="new",
            duplicate_window=60,
        )
        config = {"servers": [nats.url]}
        told = " ".join((await found(here, nats=config, operators=OPERATOR)).alarms)
        for word in ("max_age_hours", "max_megabytes", "comes twice for 60 s", "takes no new round", "4096 bytes"):
            assert word in told
        await stream.publish("lrt.x", b"{}")
        told = " ".join((await found(here, later_s=10_000_000_000, nats=config)).alarms)
        assert "keep_hours asks for 24" in told
        assert "nothing came to LRT_ORACLE_ROUNDS" in told
        await stream.update_stream(name="LRT_ORACLE_ROUNDS", subjects=["other.>"], max_age=3_600, max_bytes=MB, discard="new", duplicate_window=60)  # fmt: skip
        problems = (await found(here, nats=config, operators=OPERATOR)).problems
        assert "add lrt.> to its subjects" in problems[0].text
        await client.close()


RIGHTS = """
accounts: {
  A: {
    jetstream: enabled
    users: [
      { user: "all", password: "x" }
      { user: "reads", password: "x", permissions: { publish: ["$JS.API.>"], subscribe: ["_INBOX.>"] } }
      { user: "writes", password: "x", permissions: { publish: ["lrt.>", "$JS.API.STREAM.INFO.*"], subscribe: ["_INBOX.>"] } }
    ]
  }
}
"""


@needs_nats
async def test_who_may_not_publish_or_read_is_told_and_nothing_is_written_to_find_out(
    here: Site, tmp_path: Path
) -> None:
    async with server(tmp_path / "nats", RIGHTS) as nats:
        address = nats.url.removeprefix("nats://")

        def of(user: str, password: str = "x") -> dict[str, Any]:  # noqa: S107 - of this server alone
            return {"servers": [f"nats://{user}:{password}@{address}"]}

        client = await connected(nats.access.__class__(servers=tuple(of("all")["servers"])))
        await client.jetstream().add_stream(
            name="LRT_ORACLE_ROUNDS",
            subjects=["lrt.>"],
            max_age=168 * 3_600,
            max_bytes=2_048 * MB,
            duplicate_window=3_600,
        )
        for user in ("all", "writes"):
            assert (await found(here, nats=of(user), operators=OPERATOR)).problems == []
        for user in ("all", "reads"):
            assert (await found(here, nats=of(user))).problems == []
        (cannot,) = (await found(here, nats=of("reads"), operators=OPERATOR)).problems
        assert "give this user the right to it" in cannot.text
        (cannot,) = (await found(here, nats=of("writes"))).problems
        assert "may not read it" in cannot.text
        (wrong,) = (await found(here, nats=of("all", "y"))).problems
        assert "Authorization" in wrong.text
        assert (await client.jetstream().stream_info("LRT_ORACLE_ROUNDS")).state.messages == 0
        await client.close()
