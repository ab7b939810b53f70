"""`lrt-oracle catalog verify` as a command: what it prints, its exit statuses, and the blocks that mark what has died."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from demo.world import anvil
from oracle.check.catalog.findings import EntryFinding, EntryResult, EntryState
from oracle.check.catalog.report import CatalogReport, ReportError, results_of
from oracle.check.catalog.verify import ChainVerdict
from oracle.config.sections import parse
from tests.oracle.check.catalog_site import DEAD, MARKED, NOWHERE, CatalogSite, report, verified
from tests.oracle.cli.command import run

pytestmark = [pytest.mark.chain]


def test_the_report_ends_with_what_has_died(catalogued: CatalogSite) -> None:
    lines = report(catalogued.config()).lines()
    assert lines[-1] == "5 fine, 1 marked, 6 changed, 6 dead"
    assert lines[-2].startswith(f"local: 18 entries at block {site_block(lines)}, ")
    words = [line.split()[0] for line in lines[:-2]]
    assert words == ["fine"] * 5 + ["marked"] + ["changed"] * 6 + ["dead"] * 6
    dead = next(line for line in lines if line.startswith("dead     pool nowhere"))
    assert dead.count(NOWHERE) == 1, "the same is not told twice"


def site_block(lines: list[str]) -> str:
    return lines[-2].split("at block ")[1].split(",")[0]


@pytest.fixture
def config_file(catalogued: CatalogSite, tmp_path: Path) -> Path:
    """A config with the catalogue in a file beside it."""
    (tmp_path / "own.toml").write_text(catalogued.catalog())
    path = tmp_path / "config.toml"
    path.write_text(
        f'[oracle]\ncatalog_path = "own.toml"\n[chains.here]\nchain_id = {catalogued.world.chain_id}\n'
        f'endpoints = ["{catalogued.url}"]\nmax_head_age_s = 86400\n'
    )
    return path


def cli(config: Path, *args: str) -> Any:
    return run("--config", str(config), "catalog", "verify", "--pause", "0", *args)


def test_the_command_fails_where_something_has_died(config_file: Path) -> None:
    done = cli(config_file, "--json")
    assert done.exit_code == 1, done.output
    document = json.loads(done.stdout)
    assert document["counts"] == {
        "fine": 5, "unread": 0, "marked": 1, "unasked": 0, "thin": 0, "changed": 6, "dead": 6,
    }  # fmt: skip
    assert len(document["entries"]) == 18
    assert [type(e) for e in results_of(document)] == [EntryResult] * 18


def test_the_blocks_that_it_prints_mark_what_has_died(catalogued: CatalogSite, config_file: Path) -> None:
    """An operator pastes them, and the next run is quiet: but for the rate of a token, whose end the catalogue cannot say."""
    printed = cli(config_file, "--toml").stdout
    blocks = tomllib.loads(printed)
    ended = {(kind, b["name"]) for kind, listed in blocks.items() for b in listed}
    assert {f"{k} {n}" for k, n in ended} == DEAD - {"token demoLRT"}
    assert f"# token demoLRT on local: rate: no contract at {NOWHERE} on local" in printed
    assert all(b["dead_block"] and b["dead_since"] and b["dead_source"] for kind in blocks for b in blocks[kind])
    own = tomllib.loads(catalogued.catalog())
    for kind, listed in blocks.items():
        own[kind] = [b for b in own[kind] if (kind, b["name"]) not in ended] + listed
    own["chains"] = {"here": {"chain_id": catalogued.world.chain_id, "endpoints": [catalogued.url]}}
    found = verified(parse(own))
    assert {n for n, r in found.items() if r.state is EntryState.DEAD} == {"token demoLRT"}
    assert {n for n, r in found.items() if r.state is EntryState.MARKED} == MARKED | DEAD - {"token demoLRT"}


def test_nothing_new_is_a_success_and_not_all_asked_is_told(
    catalogued: CatalogSite, config_file: Path, tmp_path: Path
) -> None:
    quiet = tmp_path / "quiet.toml"
    text = catalogued.catalog()
    for name in ("drained", "nowhere", "paused", "stale", "silent"):
        mark = f'name = "{name}"\ndead_why = "known"\ndead_source = ["x"]'
        text = text.replace(f'name = "{name}"', mark)
    text = text.replace(f'rate.contract = "{NOWHERE}"', f'rate.contract = "{catalogued.world.lrt}"')
    (tmp_path / "own.toml").write_text(text)
    quiet.write_text(config_file.read_text())
    done = cli(quiet)
    assert done.exit_code == 0, done.output
    gone = cli(quiet, "--chain", f"local=http://127.0.0.1:{anvil.free_port()}", "--json")
    assert gone.exit_code == 3, gone.output
    saved = tmp_path / "report.json"
    saved.write_text(gone.stdout)
    resumed = cli(quiet, "--resume", str(saved), "--json")
    assert resumed.exit_code == 0
    assert json.loads(resumed.stdout)["counts"]["unasked"] == 0


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--chain", "etherum=http://x"], "did you mean 'ethereum'?"),
        (["--chain", "local"], "write NAME=URL[,URL]"),
        (["--chain", "solana=http://x"], "its chain id is not known"),
        (["--chain", "local=ftp://x"], "is not a URL"),
        (["--chain", "local=http://x:1,http://X:1/"], "is the same server as [0]"),
        (["--chain", "local=http://x:1", "--chain", "local=http://x:1"], "is the same server as [0]"),
        (["--chain", "local=http://x:1/${LRT_ORACLE_NO_SUCH_SECRET}"], "LRT_ORACLE_NO_SUCH_SECRET"),
        (["--notional", "lots"], "--notional"),
        (["--notional", "0"], "above 0"),
        (["--resume", "/dev/null"], "/dev/null"),
    ],
)
def test_a_wrong_option_is_told(config_file: Path, args: list[str], text: str) -> None:
    done = cli(config_file, *args)
    assert done.exit_code == 2, done.output
    assert text in done.output


@pytest.mark.parametrize("document", [None, [], {}, {"entries": 3}, {"entries": [3]}, {"entries": [{"label": "x"}]}])
def test_what_is_no_report_is_refused(document: Any) -> None:
    with pytest.raises(ReportError, match="is no report of catalog verify"):
        results_of(document)


@pytest.mark.parametrize(
    ("dead", "fine", "doubted"), [(6, 5, True), (6, 6, False), (5, 4, True), (4, 0, False), (0, 9, False)]
)
def test_a_chain_on_which_nearly_all_has_died_is_doubted_and_not_the_catalogue(
    dead: int, fine: int, doubted: bool
) -> None:
    def entry(number: int, state: EntryState) -> EntryResult:
        found = (EntryFinding(state=state, what="code", text="no contract"),)
        return EntryResult(
            label=f"pool {number} on base", kind="pool", name=str(number), chain="base", end="", block=1, block_ms=1, findings=found
        )  # fmt: skip

    states = [EntryState.DEAD] * dead + [EntryState.FINE] * fine + [EntryState.UNASKED] * 3
    results = tuple(entry(i, s) for i, s in enumerate(states))
    found = CatalogReport(
        notional="1", chains=(ChainVerdict(chain="base", results=results, block=1, requests=1, failures=0),)
    )
    assert [d.split(" seem")[0] for d in found.doubts] == [f"base: {dead} of {dead + fine} entries"] * doubted
    assert found.document()["doubts"] == found.doubts
    assert set(found.doubts) <= set(found.lines())
