"""`lrt-oracle stake keep` and `stake rotate`: the keeper's duties by hand, on a real chain with the real contracts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import coincurve
import pytest

from demo.world import anvil
from demo.world.chain import account
from tests.oracle.stake.people import People

pytestmark = pytest.mark.chain
DAY_S = 86_400
WALLET = "--keyfile var/wallet.key.json"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    folder: Path = tmp_path_factory.mktemp("keep")
    (folder / "var").mkdir()
    with anvil.running() as node:
        made = People(node.url, folder)
        made.write_key("wallet.key.json", coincurve.PrivateKey(bytes(account(7).key)))
        yield made


def test_what_is_due_is_said_with_its_cost_and_then_done(people: People) -> None:
    refused = people.refused(f"lrt-oracle stake keep {WALLET}")
    assert "rotate after epoch 1, due now: it would fail: 0 operators could be members, 3 are needed" in refused
    assert "rotate after epoch 1" in people.refused(f"lrt-oracle stake rotate {WALLET}")
    people.jump(2 * 3_600)
    address = account(7).address
    dry = people.said(f"lrt-oracle stake keep --dry --account {address}")
    (step,) = dry["steps"]
    assert (step["step"], dry["done"]) == ("observeAndRotate", [])
    assert step["gas"] > 300_000
    assert int(step["cost_wei"]) > 0
    by_name = people.said(f"lrt-oracle stake rotate --dry --account {address}")
    assert by_name["steps"] == dry["steps"], "one piece of code"
    done = people.said(f"lrt-oracle stake keep {WALLET}")
    assert [d["step"] for d in done["done"]] == ["observeAndRotate"]
    assert "nothing is due" in people.refused(f"lrt-oracle stake keep {WALLET}")
    assert "rotate is due at" in people.refused(f"lrt-oracle stake rotate {WALLET}")
    people.arm()


def test_only_what_is_asked_for_is_done(people: People) -> None:
    people.jump(2 * DAY_S)
    whole = people.said(f"lrt-oracle stake keep --dry --account {account(7).address}")
    assert [s["step"] for s in whole["steps"]] == ["observeAndRotate", "refresh"]
    done = people.said(f"lrt-oracle stake keep --only refresh {WALLET}")
    assert [d["step"] for d in done["done"]] == ["refresh"]
    assert "'sleep' is no duty: write some of observe, rotate, remove, top-up" in people.refused(
        f"lrt-oracle stake keep --only sleep {WALLET}"
    )
