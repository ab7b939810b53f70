"""A threshold that is too low for independent operators is an error where this process is one of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from oracle.check.agreement_bounds import bound_notes, bound_problems, one_party_notes
from oracle.config import sections
from oracle.config.sections import Config
from oracle.sign.eip712 import Domain
from oracle.sign.messages import SignerSet

FIVE = SignerSet(
    domain=Domain(chain_id=1, store=b"\x55" * 20), epoch=3, signers=tuple(bytes([i]) * 20 for i in range(5)),
    weights=(1, 1, 1, 1, 1), threshold=4,
)  # fmt: skip
OPERATOR = '[[operators]]\nname = "NAME"\nkeyfile = "NAME.json"\njournal = "NAME.db"\n'
TEXT = """
[chains.local]
chain_id = 1
endpoints = ["http://127.0.0.1:1"]
[targets.main]
chain = "local"
store = "0x5555555555555555555555555555555555555555"
[feeds."ETH/USD"]
sources = [{ type = "coinbase", symbol = "ETH-USD" }, { type = "kraken", symbol = "ETH/USD" }]
"""


def config(folder: Path, *names: str, network: bool) -> Config:
    path = folder / "config.toml"
    path.write_text(TEXT + "".join(OPERATOR.replace("NAME", n) for n in names) + "[network]\n" * network)
    return sections.load(path)


def test_two_thirds_are_not_enough_and_the_text_says_what_is(tmp_path: Path) -> None:
    network = config(tmp_path, "alpha", network=True)
    assert list(bound_problems(network, "main", FIVE)) == []
    (note,) = bound_notes(network, "main", FIVE)
    assert "min(W - T, 2T - W - 1) = 1" in note
    low = replace(FIVE, threshold=3)
    (problem,) = bound_problems(network, "main", low)
    assert problem.key == "targets.main"
    assert "the store's set is too low for independent operators" in problem.text
    assert "(W = 5, T = 3)" in problem.text
    assert problem.text.endswith("with a threshold of at least 4")
    (coming,) = bound_problems(network, "main", low, coming=True)
    assert "the set that is to come (epoch 3)" in coming.text
    assert list(bound_notes(network, "main", low)) == []


@pytest.mark.parametrize(
    ("weights", "threshold", "fits"), [((1,), 1, True), ((3, 0), 2, True), ((2, 2, 2), 4, False), ((2, 2, 2), 5, True)]
)
def test_it_is_about_weight_and_about_more_than_one(
    tmp_path: Path, weights: tuple[int, ...], threshold: int, *, fits: bool
) -> None:
    some = replace(FIVE, signers=FIVE.signers[: len(weights)], weights=weights, threshold=threshold)
    assert (list(bound_problems(config(tmp_path, "alpha", network=True), "main", some)) == []) == fits


def test_operators_of_one_process_stay_as_they_are_and_are_told_that_they_are_one_party(tmp_path: Path) -> None:
    one, several = (config(tmp_path, *names, network=False) for names in (("alpha",), ("alpha", "beta", "gamma")))
    low = replace(FIVE, threshold=3)
    for alone in (one, several):
        assert [*bound_problems(alone, "main", low), *bound_notes(alone, "main", FIVE)] == []
    assert list(one_party_notes(one)) == []
    (note,) = one_party_notes(several)
    assert note.startswith("operators alpha, beta, gamma are keys of one process: one party")
    assert list(one_party_notes(config(tmp_path, "alpha", network=True))) == []
