"""Compiled contracts: what is checked in is what the sources say, and loads."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from web3 import Web3

import contracts
from demo.world import anvil
from tests.contracts.contract_tools import OURS, Bench, connected, errors

ROOT = Path(__file__).parent.parent.parent
DEPLOYED = OURS


@pytest.fixture(scope="module")
def web3(node: anvil.Anvil) -> Iterator[Web3]:
    with connected(node.url) as w:
        yield w


def test_artifacts_are_what_the_sources_compile_to() -> None:
    done = subprocess.run(
        ["node", "contracts/build.mjs", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_artifact_says_how_it_was_made_and_where_nothing_is_of_this_machine() -> None:
    for path in contracts.ARTIFACTS.glob("*.json"):
        raw = path.read_text(encoding="utf-8")
        data = json.loads(raw)
        assert raw == json.dumps(data, indent=2, sort_keys=True) + "\n"
        assert data["name"] == path.stem
        assert (ROOT / data["source"]).is_file()
        assert data["compiler"].startswith("0.8.28+")
        assert data["settings"]["metadata"] == {"appendCBOR": False, "bytecodeHash": "none"}
        assert str(ROOT) not in raw


@pytest.mark.parametrize("name", DEPLOYED)
def test_a_contract_fits_on_a_chain(name: str) -> None:
    made = contracts.load(name)
    assert made.name == name
    assert 0 < len(made.runtime) <= 24_576
    assert len(made.bytecode) > len(made.runtime)


@pytest.mark.parametrize("name", [n for n in DEPLOYED if (ROOT / f"contracts/views/{n}.sol").is_file()])
def test_a_view_has_its_row_in_the_docs(name: str) -> None:
    page = (ROOT / "docs" / "contracts.md").read_text(encoding="utf-8")
    assert f"\n| `{name}` | " in page, f"add {name} to the table of views in docs/contracts.md"


def test_an_interface_has_no_code() -> None:
    made = contracts.load("IPriceStore")
    assert (made.bytecode, made.runtime) == (b"", b"")
    assert {f["name"] for f in made.abi} >= {"latest", "latestAt", "slotAt"}


def test_an_unknown_name_is_told_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(contracts.UnknownArtifact, match=r"PriceStor: did you mean PriceStore or IPriceStore"):
        contracts.load("PriceStor")
    with pytest.raises(contracts.UnknownArtifact, match=r"there are: BaseView, CappedFeedView"):
        contracts.load("zzz")
    with pytest.raises(contracts.UnknownArtifact, match=r"none, run make artifacts"):
        contracts.load("PriceStore", tmp_path)


@pytest.mark.chain
def test_the_code_on_chain_is_the_artifact_s_but_for_its_immutables(web3: Web3) -> None:
    bench = Bench(web3)
    data = json.loads((contracts.ARTIFACTS / "PriceStore.json").read_text(encoding="utf-8"))
    code = bytearray(web3.eth.get_code(bench.store.address))
    for places in data["immutableReferences"].values():
        for place in places:
            code[place["start"] : place["start"] + place["length"]] = bytes(place["length"])
    assert bytes(code) == contracts.load("PriceStore").runtime
    own = {"chainAtStart", "separatorAtStart", "maxPushAgeS", "rotationDelayS", "overlapS", "longestEpochS"}
    assert set(data["immutableReferences"]) == own | {"limits", "waits", "classes"}


def test_every_error_is_in_the_docs() -> None:
    pages = [(ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("contracts.md", "stake.md")]
    told = set(re.findall(r"`([A-Z]\w+)", "".join(pages)))
    assert [e for name in DEPLOYED for e, _ in errors(name).values() if e not in told] == []
