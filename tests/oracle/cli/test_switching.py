"""The config that is to follow at an announced round: what `check` says of it, and what keeps `run` from starting."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.oracle.cli.command import document, run
from tests.oracle.cli.switch_config import CONFIG, NEXT


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def say(time: str = "2099-01-31T00:00:03Z", then: str | None = CONFIG + "[network]\n") -> None:
    Path("config.toml").write_text(CONFIG + NEXT.format(time=time))
    if then is not None:
        Path("next.toml").write_text(then)


@pytest.mark.parametrize(
    ("then", "says"),
    [
        (None, "network.next: next.toml does not exist: put it there, or correct the path"),
        ("x =", "network.next: next.toml: next.toml: is not TOML"),
        (CONFIG, "has no [network]"),
        (CONFIG.replace("mine.db", "other.db") + "[network]\n", "[[operators]] differ"),
        (CONFIG.replace('"o.db"', '"p.db"') + "[network]\n", "oracle.database differs"),
        (CONFIG.replace("0x2222", "0x4444") + "[network]\n", "the store of its home target is another one"),
    ],
)
def test_a_next_config_that_cannot_follow_is_told_beforehand(then: str | None, says: str) -> None:
    say(then=then)
    checked, started = run("check", "--offline"), run("run")
    assert (checked.exit_code, started.exit_code) == (2, 2)
    assert says in checked.output
    assert says in started.output


def test_check_says_when_it_holds_and_what_to_compare() -> None:
    say()
    (note,) = (n for n in document("check", "--offline")["notes"] if n.startswith("network.next"))
    assert "from round 4073500810 (2099-01-31T00:00:10Z) on, with rules 0x" in note, "the next multiple of the interval"
    say(time="2020-01-31T00:00:00Z")
    (note,) = (n for n in document("check", "--offline")["notes"] if n.startswith("network.next"))
    assert note.endswith("put it in the place of this file")
