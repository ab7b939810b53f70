"""The repository's own files: workflow, hooks, templates, editor settings, changelog. They parse, and say what is true."""

from __future__ import annotations

import configparser
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.docs import text_files
from tests.docs.plain_yaml import NotPlain, load, parse

ROOT = Path(__file__).resolve().parents[2]
HOOKS = ROOT / ".pre-commit-config.yaml"
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
YAML = [HOOKS, *sorted((ROOT / ".github").rglob("*.yml"))]
MAKE = (ROOT / "Makefile").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", YAML, ids=[p.name for p in YAML])
def test_every_yaml_file_parses(path: Path) -> None:
    assert isinstance(load(path), dict)


@pytest.mark.parametrize(
    "text",
    [
        "a: b: c",
        "a:\n\tb: 1",
        "a: [1, 2]",
        "a: &x 1",
        "a: |\n  text",
        "a: 1\na: 2",
        'a: "b',
        "- a\n b",
        "a: 1\n   b: 2",
    ],
)
def test_what_is_not_plain_is_an_error_and_not_a_guess(text: str) -> None:
    with pytest.raises(NotPlain):
        parse(text)


def test_the_reader_reads_what_it_takes() -> None:
    text = "a: 1\nb:\n  - c: x\n    d: true\n  - plain\ne:\n- '0'\nf: null\ng:\nh: \"q: #\"\ni: [one]\n"
    assert parse(text) == {
        "a": 1, "b": [{"c": "x", "d": True}, "plain"], "e": ["0"], "f": None, "g": None, "h": "q: #", "i": ["one"],
    }  # fmt: skip


def steps(job: str) -> list[dict[str, Any]]:
    return list(load(WORKFLOW)["jobs"][job]["steps"])


def test_the_workflow_runs_the_same_two_commands() -> None:
    runs = {job: " ".join(s.get("run", "") for s in steps(job)) for job in ("test", "demo")}
    assert ".ci/run" in runs["test"]
    assert "make demo ARGS=" in runs["demo"]
    assert "--seconds 40" in runs["demo"]
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").rstrip().endswith("exec make test")
    for target in ("test", "demo"):
        assert re.search(rf"^{target}:", MAKE, re.MULTILINE)


@pytest.mark.parametrize("job", ["test", "demo"])
def test_the_workflow_uses_the_oldest_versions_that_are_promised(job: str) -> None:
    asked = {s["uses"].split("@")[0]: s.get("with", {}) for s in steps(job) if "uses" in s}
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    assert needs == ">=" + asked["actions/setup-python"]["python-version"]
    assert f'"node": ">={asked["actions/setup-node"]["node-version"]}"' in (ROOT / "package.json").read_text("utf-8")


def test_the_hooks_are_local_and_run_what_make_lint_runs() -> None:
    repos = load(HOOKS)["repos"]
    assert [r["repo"] for r in repos] == ["local"], "a hook that is fetched does not work offline"
    hooks = repos[0]["hooks"]
    assert {h["language"] for h in hooks} == {"system"}
    entries = " ".join(h["entry"] for h in hooks)
    lint = MAKE.split("\nlint:")[1].split("\n\n")[0]
    for command in re.findall(r"^\t(\S+(?: check| format| contracts/build\.mjs)?)", lint, re.MULTILINE):
        assert command in entries, command


def test_a_text_file_is_settled_once(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"a  \r\nb\t\n\n\n")
    assert text_files.main([str(path)]) == 1
    assert path.read_bytes() == b"a\nb\n"
    assert text_files.main([str(path)]) == 0
    assert text_files.settled("") == ""
    path.write_bytes(b"\xff\xfe")
    assert text_files.main([str(path)]) == 0


def test_the_pages_are_settled() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "*.md", "*.yml", "*.yaml", "*.toml", "*.py", "*.sol", "*.mjs", "Makefile"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    paths = [ROOT / name for name in listed if (ROOT / name).is_file()]
    texts = {p: p.read_text(encoding="utf-8") for p in paths}
    assert [str(p) for p, t in texts.items() if t != text_files.settled(t)] == []


def test_the_editor_s_settings_parse() -> None:
    parser = configparser.ConfigParser()
    parser.read_string("[top]\n" + (ROOT / ".editorconfig").read_text(encoding="utf-8"))
    assert parser["*"]["insert_final_newline"] == "true"
    line = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]["line-length"]
    assert parser["*"]["max_line_length"] == str(line)


KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_changelog_keeps_its_form() -> None:
    versions = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", CHANGELOG, re.MULTILINE)
    assert versions[0] == ("Unreleased", "")
    assert all(date for _, date in versions[1:])
    released = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert released in {name for name, _ in versions}
    assert {h for h in re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE) if not h.startswith("[")} == set()
    assert set(re.findall(r"^### (.+)$", CHANGELOG, re.MULTILINE)) <= KINDS
