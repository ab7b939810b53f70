"""What the page shows of stake: the script itself, run by node over a stand-in for the browser's nodes, as no browser is needed for it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from feeds.units import MS
from oracle.serve import routes
from oracle.serve.security_documents import RecordSigners, security_document
from oracle.serve.stake_documents import stake_document, why_unknown
from oracle.stake.follow import StakeView
from tests.oracle.serve.memory_service import ROUND_S, record
from tests.oracle.serve.operators_world import ODD, seen, signers_of
from tests.oracle.serve.stake_world import case, epoch, found, row, stake_view

PAGE = Path(routes.__file__).parent / "page"
OWN = sorted(p for p in PAGE.glob("*.js") if p.name != "uplot.js")
NOW_MS = (ROUND_S + 40) * MS
FEED = "wdivETH/ETH"
ETHER = 10**18
HTML_OF_TEXT = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|createContextualFragment|srcdoc"
)
needs_node = pytest.mark.skipif(
    shutil.which("node") is None, reason="node is not installed: the contracts are built with it"
)


def page_of(folder: Path, view: StakeView | None, *, epoch_signed: int = 2) -> Any:
    """What the page holds when the endpoint says this."""
    for path in OWN:
        shutil.copy(path, folder / path.name)
    (folder / "package.json").write_text('{"type": "module"}')
    signers = signers_of(3)
    signed = RecordSigners(
        epoch=epoch_signed, threshold=201, weights=dict(signers.members), signed=frozenset(signers.signers[:2])
    )
    given = {
        "stake": stake_document(view, seen(), NOW_MS), "why": why_unknown(view), "feed": FEED,
        "security": security_document(FEED, record(FEED), signed, view, seen(), NOW_MS),
    }  # fmt: skip
    (folder / "given.json").write_text(json.dumps(given))
    script = Path(__file__).with_name("page_dom.mjs")
    told = subprocess.run(
        ["node", str(script), str(folder / "stake.js"), str(folder / "given.json")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


def text(page: Mapping[str, Any], part: str) -> str:
    return "\n".join(page["parts"][part]["lines"])


@needs_node
def test_who_has_what_at_stake_and_who_waits_and_why(tmp_path: Path) -> None:
    page = page_of(tmp_path, stake_view())
    assert page["secured"] == "secured by 104 ETH"
    assert "104 ETH can be slashed\n3 sign\n1 wait" in text(page, "stake-tally")
    rows = text(page, "stake-rows")
    assert "alice" in rows
    assert "this process" in rows
    assert "delegated: 20 ETH, its own 25.00 %, leaving 12.50 %, commission 10.00 %" in rows
    assert "Symbiotic: 20 ETH, 2 vaults, commission 5.00 %" in rows
    assert "not in the next set: too little stake" in rows
    assert "in jail until" in rows
    assert "1 open case" in rows
    lists = text(page, "stake-lists")
    assert f"{ODD} said two things in epoch 2: 5.00 % of its stake put aside, disputed until" in lists
    assert "taken: 2 ETH" in lists
    assert "epoch 1: 1 ETH, 25.00 % claimed; report" in lists
    assert "40 s ago, block 7" in text(page, "stake-facts")
    assert page["parts"]["stake-warnings"]["hidden"]
    assert rows.index(ODD) < rows.index("alice"), "who is in jail comes first"


@needs_node
def test_a_lender_is_told_who_signed_what_a_lie_costs_and_what_is_not_known(tmp_path: Path) -> None:
    page = page_of(tmp_path, stake_view())
    said = text(page, "security-body")
    assert page["asked"] == [f"v1/prices/{FEED}/security"]
    assert "2 of 3: 66.66 % of the weight" in said
    assert "Not known" not in said
    two = "40 ETH at stake of those with least to lose (alice); 40 ETH is taken once it is proven"
    assert f"To seal two prices of one round\n{two}\n" in said
    false_price = "70 ETH at stake of those with least to lose (alice, operator-2); nothing is taken for it"
    assert f"To seal one false price\n{false_price}\n" in said
    assert "alice: signed, 40 ETH can be slashed" in said
    assert "operator-2: did not sign, 30 ETH can be slashed" in said
    other = text(page_of(tmp_path, stake_view(), epoch_signed=1), "security-body")
    assert "the record was signed in epoch 1, and stake was read in epoch 2" in other


@needs_node
def test_what_nobody_says_is_not_shown_as_nothing(tmp_path: Path) -> None:
    silent = row(1, 32, 40)
    silent["sources"] = [{**silent["sources"][0], "stake": None, "slashable": None}, silent["sources"][1]]
    view = stake_view(found(operators=[silent, row(2, 30, 34)]), error="no endpoint answers")
    page = page_of(tmp_path, view)
    assert "delegated: does not answer" in text(page, "stake-rows")
    assert "1 of its sources did not answer" in text(page, "stake-rows")
    assert page["secured"].endswith(", read 40 s ago")
    assert "does not answer now: no endpoint answers" in text(page, "stake-warnings")
    assert "this is its last word" in text(page, "security-body")
    unread = page_of(tmp_path, StakeView(target="home"))
    assert unread["secured"] == "security not known"
    assert unread["parts"]["stake"]["hidden"]
    assert "what the signers have to lose is not known: the contracts were not read yet" in text(
        unread, "security-body"
    )
    assert "nothing known of its stake" in text(unread, "security-body")
    named = page_of(tmp_path, stake_view(found(by_stake=False)))
    assert named["secured"] == "not secured by stake"
    assert "nothing answers for it" in text(named, "security-body")
    assert page_of(tmp_path, None)["secured"] is None, "no store, so no word of security"


@needs_node
def test_what_is_wrong_with_the_set_is_said_first(tmp_path: Path) -> None:
    no_report = epoch(1, ended=True, root=None, posted_s=None, missing=True)
    seen_ = found(
        expires_s=ROUND_S - 9, rotate_due_s=ROUND_S - 9_000, scheduled={"epoch": 3, "at_s": ROUND_S, "armed": False},
        next=None, rewards=[no_report], cases=[case("0x" + "ab" * 32, 2, outcome="taken", taken=None)],
    )  # fmt: skip
    page = page_of(tmp_path, stake_view(seen_))
    assert page["parts"]["stake-warnings"]["lines"] == [
        "the set in force has expired: it signs nothing any more",
        "the next set could have been made 2 h ago: anybody may call rotate",
        "epoch 3 waits for its members' signatures",
        "epoch 1 ended and was funded, and has no report of its rewards",
    ]
    assert "taken: not known" in text(page, "stake-lists")


@needs_node
def test_what_others_write_stays_text(tmp_path: Path) -> None:
    """A name of the config, a reason of the contract, an error of an endpoint: markup in any of them is shown, not made."""
    hostile = "<img src=x onerror=alert(1)>"
    seen_ = found(operators=[row(1, 32, 40, why_not=hostile), row(2, 30, 34)])
    page = page_of(tmp_path, stake_view(seen_, error=hostile))
    assert ODD in text(page, "stake-rows")
    assert hostile in text(page, "stake-rows")
    assert hostile in text(page, "stake-warnings")
    assert hostile in text(page, "security-body")
    assert set(page["tags"]) <= {
        "part",
        "tr",
        "th",
        "td",
        "small",
        "span",
        "li",
        "ul",
        "dl",
        "dt",
        "dd",
        "div",
        "h3",
        "p",
    }


class Ids(HTMLParser):
    """Ids and files of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.files: list[str] = []

    def handle_starttag(self, _: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert not any(name.startswith("on") for name in given), (
            "handlers are in scripts: the page's policy refuses others"
        )
        self.ids += [given["id"] or ""] if "id" in given else []
        self.files += [v for k in ("src", "href") if (v := given.get(k)) is not None and v.startswith("page/")]


def test_no_script_makes_markup_of_text_and_all_that_they_look_for_is_there() -> None:
    index = Ids()
    index.feed((PAGE / "index.html").read_text(encoding="utf-8"))
    assert len(set(index.ids)) == len(index.ids)
    assert {p.name for p in OWN} >= {"app.js", "dom.js", "operators.js", "stake.js"}
    for path in OWN:
        source = path.read_text(encoding="utf-8")
        assert not HTML_OF_TEXT.search(source), path.name
        wanted = set(re.findall(r'\$\("([\w-]+)"\)', source))
        assert wanted <= set(index.ids), (path.name, wanted - set(index.ids))
        imported = {f"page/{name}" for name in re.findall(r'from "\./([\w.]+)"', source)}
        assert {f.removeprefix("page/") for f in imported | set(index.files)} <= set(routes._PAGE)
