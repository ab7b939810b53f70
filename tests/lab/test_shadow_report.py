"""The figures of a shadow report are those of the stored rows, computed here a second time and in another way."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from lab.shadow import verdict
from lab.shadow.pushed import shown_on_chain
from lab.shadow.rounds import stored_rounds
from oracle.model.status import Status
from oracle.storage.reading import DatabaseReader
from tests.lab.command_line import run
from tests.lab.shadow_world import (
    BRIEF,
    FEED,
    GAP,
    INTERVAL_S,
    LAG,
    ROUNDS,
    SILENT,
    STALE,
    UNREAD,
    config_file,
    fill,
    world,
)  # fmt: skip

WAD, BPS = 10**18, 10_000
ABSTAINED = "abstained"
VERDICT = Path(verdict.__file__)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shadow")
    fill(path)
    return path


def asked(folder: Path, *words: str) -> Any:
    return run("--config", str(config_file(folder)), "shadow", "report", *words)


@pytest.fixture(scope="module")
def feed(folder: Path) -> Any:
    document = json.loads(asked(folder, "--json").stdout)
    assert document["version"] == 1
    (found,) = document["feeds"]
    return found


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """The rows of the database as JSON, by nothing that the report uses."""
    reader = DatabaseReader(folder / "own.shadow.db")
    found = reader.connection.execute(
        "SELECT kind, body FROM rounds WHERE feed = ? ORDER BY round_s", (FEED,)
    ).fetchall()
    out = [(kind, json.loads(reader.packs.plain(body))) for kind, body in found]
    reader.close()
    return out


def said(row: dict[str, Any], name: str) -> int | None:
    """What a reference said in a row."""
    (outcome,) = [o for o in row["outcomes"] if o["source"] == name]
    return None if "error" in outcome else int(outcome["price_wad"])


def is_fresh(kind: str, row: dict[str, Any]) -> bool:
    return kind != ABSTAINED and not row["report"]["status_only"] and row["report"]["status"] != 4


def nearest_rank(values: list[int], percent: int) -> int:
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def test_distances_are_those_of_the_rows_in_which_both_stood(feed: Any, rows: list[tuple[str, dict[str, Any]]]) -> None:
    for reference in feed["references"]:
        off, beyond = [], 0
        for kind, row in rows:
            theirs = said(row, reference["reference"])
            if theirs is None or not is_fresh(kind, row):
                continue
            ours = int(row["report"]["market_wad"])
            exact = (theirs - ours) * BPS / ours
            off.append((math.copysign(math.ceil(abs(exact) - 1e-9), exact), row["round_time_s"]))
            beyond += abs(off[-1][0]) > row["report"]["spread_bps"]
        sizes = [int(abs(o)) for o, _ in off]
        got = reference["distance_bps"]
        assert reference["rounds_both"] == len(off) > 700
        assert [got[p] for p in ("median", "p95", "p99")] == [nearest_rank(sizes, p) for p in (50, 95, 99)]
        assert abs(got["max"]) == max(sizes)
        assert (got["max"], got["max_at"]) in off
        assert got["mean_signed"] == pytest.approx(mean(o for o, _ in off), abs=0.01)
        assert reference["beyond_spread_share"] == pytest.approx(beyond / len(off), abs=1e-6)
        assert reference["beyond_band_share"] == pytest.approx(sum(s > 50 for s in sizes) / len(off), abs=1e-6)


def test_absence_age_and_who_was_first_are_what_the_world_did(feed: Any) -> None:
    late, still = feed["references"]
    rounds = ROUNDS - len(GAP)
    assert late["too_old_share"] == pytest.approx(len(STALE) / rounds, abs=1e-6)
    assert (late["absent_share"], still["too_old_share"]) == (0, 0)
    assert still["absent_share"] == pytest.approx(len(UNREAD) / rounds, abs=1e-6)
    assert late["age_s"] == {"p50": 2, "p99": (90_000_000 + STALE[-9]) / 1_000, "max": (90_000_000 + STALE[-1]) / 1_000}
    assert still["unchanged_s"]["max"] == (UNREAD.start - 1 - GAP.stop) * INTERVAL_S, (
        "after a gap it is not known to have stood"
    )
    assert late["threshold"]["bps"], "of a feed of the catalogue it is known when its provider writes"
    assert still["threshold"] == {"bps": None, "heartbeat_s": None}
    moves = late["moves"]
    assert moves["ours_first"] == moves["steps_both"] > 4
    assert (moves["theirs_first"], moves["steps_ours_alone"], moves["steps_theirs_alone"]) == (0, 0, 0)
    assert moves["as_pushed"]["steps_both"] > 4
    assert moves["as_pushed"]["lead_s"]["most"] <= LAG * INTERVAL_S, "a push comes no earlier than the price"
    assert moves["as_pushed"]["theirs_first"] > 0, "pushed after 50 bps we wait for our own threshold"
    assert moves["lead_s"] == {"median": LAG * INTERVAL_S, "least": LAG * INTERVAL_S, "most": LAG * INTERVAL_S}
    assert still["moves"]["steps_both"] == 0
    assert still["moves"]["steps_unknown"] == 6, (
        "ours fell and came back, and was silent meanwhile: it may not have been alone"
    )


def test_the_chain_shows_our_price_within_push_bps_and_the_heartbeat_and_nothing_in_a_halt(folder: Path) -> None:
    spec = replace(world(folder).specs[FEED], push_bps=30, heartbeat_s=900)
    reader = DatabaseReader(folder / "own.shadow.db")
    rounds = list(stored_rounds(reader, "local", spec, ["late"], (0, 1 << 40)))
    reader.close()
    shown, pushes, pushed_s = list(shown_on_chain(spec, rounds)), 0, 0
    held = 0
    for before, r, s in zip([None, *rounds], rounds, shown, strict=False):
        if r.status is Status.HALT:
            assert (s.market_wad, s.redemption_wad) == (0, 0)
            continue
        if not r.market_wad:
            assert s.market_wad == held, "a silence leaves it as it is"
            continue
        assert abs(r.market_wad - s.market_wad) * BPS < 30 * r.market_wad
        if s.market_wad != held or r.at_s - pushed_s >= 900:
            status = before.status if before is not None else None
            is_due = not held or abs(r.market_wad - held) * BPS >= 30 * held or r.status is not status
            assert is_due or r.at_s - pushed_s >= 900
            pushes, pushed_s, held = pushes + 1, r.at_s, s.market_wad
    assert 20 < pushes < 40


def test_status_changes_and_silences_are_those_of_the_rows(feed: Any, rows: list[tuple[str, dict[str, Any]]]) -> None:
    words, status, changes, stood = {1: "ok", 2: "watch", 3: "depeg", 4: "halt"}, None, [], dict[str, int]()
    previous = None
    for kind, row in rows:
        at_s, report = row["round_time_s"], row["kept" if kind == ABSTAINED else "report"]
        if previous is not None and at_s - previous == INTERVAL_S:
            stood[words.get(status or 0, "none")] = stood.get(words.get(status or 0, "none"), 0) + INTERVAL_S
        if report is not None and report["status"] != status:
            if previous is not None:
                changes.append((at_s, words.get(status or 0), words[report["status"]]))
            status = report["status"]
        previous = at_s
    assert [(c["at"], c["before"], c["after"]) for c in feed["status_changes"]] == changes
    assert [c[2] for c in changes][:2] == ["watch", "depeg"]
    assert feed["status_s"] == stood
    for change, following in zip(feed["status_changes"], feed["status_changes"][1:], strict=False):
        assert change["stood_s"] == following["at"] - change["at"]
        assert change["reasons"] or change["after"] == "ok"
        assert change["after"] != "halt" or change["reasons"][0]["code"] == "NO_QUORUM"
    depeg = feed["status_changes"][1]
    assert depeg["reasons"][0]["code"] == "DISCOUNT"
    assert [r["reference"] for r in depeg["references"]] == ["late", "still"]
    assert depeg["references"][1]["off_bps"] > 200
    priced = sum(is_fresh(kind, row) for kind, row in rows)
    assert (feed["rounds"], feed["priced"]) == (len(rows), priced)
    assert {n["code"] for n in feed["no_price"]} >= {"NO_QUORUM"}
    assert sum(n["rounds"] for n in feed["no_price"]) == len(rows) - priced >= len(SILENT) + len(BRIEF)
    (gap,) = feed["gaps"]
    assert gap["to"] - gap["from"] == (len(GAP) + 1) * INTERVAL_S


def test_a_market_on_either_price_is_played_as_by_hand(feed: Any, rows: list[tuple[str, dict[str, Any]]]) -> None:
    """Of a market without a fall deep enough nothing comes; with loans near the limit the late one leaves more under water."""
    prices = [(int(r["report"]["market_wad"]), said(r, "late")) for k, r in rows if is_fresh(k, r)]
    both = [(a, b) for a, b in prices if b is not None]
    worst = min(b for _, b in both)
    first = both[0][1]
    loans = [first * (5_000 + 44 * i) // BPS for i in range(100)]
    limit = {loan for loan in loans if any(loan * BPS > a * 9_450 for a, _ in both)}
    lending = feed["references"][0]["lending"]["ours_against_theirs"]
    assert lending["liquidated"] == len(limit) > 2
    assert lending["wrongly_liquidated"] == sum(loan * BPS <= worst * 9_450 for loan in limit)
    assert feed["references"][1]["lending"]["ours_against_theirs"]["wrongly_liquidated"] == len(limit)
    assert not lending["under_water"]


def test_what_to_look_at_is_said(folder: Path, feed: Any) -> None:
    codes = {each["code"] for each in feed["look_at"]}
    assert codes >= {
        "FEW_DAYS",
        "GAPS",
        "NO_PRICE",
        "NARROW_QUORUM",
        "NO_MOVE",
        "BEYOND_SPREAD",
        "MARKET",
    }
    hasty = json.loads(asked(folder, "--json", "--wait", "5m").stdout)["feeds"][0]
    assert {each["code"] for each in hasty["look_at"]} - codes == {"OURS_ALONE"}
    assert hasty["references"][1]["moves"]["steps_ours_alone"] == 8, "in the time of the other four it was absent"
    assert not codes & {"NO_STRESS", "ONE_REFERENCE", "NO_REFERENCE", "OTHER_CONFIG", "NEVER_BOTH", "THEIRS_FIRST"}


def test_every_key_of_the_document_is_on_its_page(folder: Path) -> None:
    def keys(value: Any) -> set[str]:
        if isinstance(value, list):
            return set().union(*map(keys, value))
        if not isinstance(value, dict):
            return set()
        return {k for k in value if k.islower() and not k.isdigit()}.union(*map(keys, value.values()))

    page = (Path(__file__).resolve().parents[2] / "docs" / "shadow.md").read_text()
    found = keys(json.loads(asked(folder, "--json").stdout))
    assert len(found) > 80
    assert {k for k in found if f"`{k}`" not in page} <= {s.word for s in Status}, "a status is a key of status_s"
    assert {c for c in re.findall(r'"([A-Z_]{4,})"', VERDICT.read_text()) if f"`{c}`" not in page} == set()


def test_text_fits_and_pages_and_pictures_are_written(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("plotly")
    page, picture = tmp_path / "a.html", tmp_path / "a.svg"
    done = asked(folder, "--report", str(page), "--plot", str(picture), "--feed", FEED)
    assert done.exit_code == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert f"ours first by {LAG * INTERVAL_S} s" in done.stdout
    assert "src=" not in page.read_text().split("<script")[0]
    assert "beside late" in page.read_text()
    assert picture.stat().st_size > 10_000


def test_a_part_can_be_asked_and_what_is_wrong_is_said_in_one_line(folder: Path, tmp_path: Path, feed: Any) -> None:
    part = json.loads(asked(folder, "--json", "--to", str(feed["from"] + 990)).stdout)["feeds"][0]
    assert (part["rounds"], part["status_changes"]) == (100, [])
    assert {each["code"] for each in part["look_at"]} >= {"NO_STRESS"}
    for words, why in (
        (["--from", "5", "--to", "9"], "has no round of stETH/ETH in that time: those from"),
        (["--feed", "stETH/EUR"], "is not a feed of the config"),
        (["--feed", "stETH/USD"], "is a cross and has no rounds of its own: report stETH/ETH and ETH/USD"),
        (["--least-ltv", "95"], "write --least-ltv below --most-ltv"),
        (["--wait", "soon"], "write a length with its unit"),
        (["--plot", "a.txt"], "a plot is written as"),
    ):
        done = asked(folder, *words)
        assert done.exit_code == 2, words
        assert why in done.stderr
    assert asked(folder, str(tmp_path / "none.db")).exit_code == 3
