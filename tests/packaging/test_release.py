"""The release: a second build gives the same bytes, notes are the changelog's, packed alarms lead to pages, workflows promise what they must."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.docs import plain_yaml
from tests.packaging.prometheus_files import ROOT, shipped_rules
from tests.packaging.tools import tool

FOLDER = ROOT / "packaging" / "release"
WORKFLOWS = ROOT / ".github" / "workflows"
builder = tool("pyproject-build")
"""A Python that has `build` has this command beside it."""


def runs(workflow: str, job: str) -> str:
    steps: list[dict[str, Any]] = plain_yaml.load(WORKFLOWS / workflow)["jobs"][job]["steps"]
    return "\n".join([*(s.get("run", "") for s in steps), *(s.get("uses", "") for s in steps)])


@pytest.mark.skipif(builder is None, reason="build is not installed (pip: packaging/release/requirements.txt)")
def test_a_second_build_gives_the_same_bytes(tmp_path: Path) -> None:
    python = str(Path(str(builder)).with_name("python"))
    command = [python, str(FOLDER / "build.py"), str(tmp_path), "--twice"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.endswith("the second build is the same\n")
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    sums = (tmp_path / "SHA256SUMS").read_text(encoding="utf-8")
    names = [f"lrt_oracle-{version}-py3-none-any.whl", f"lrt_oracle-{version}.tar.gz"]
    assert [line.split()[1] for line in sums.splitlines()] == names
    assert subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=tmp_path, check=False).returncode == 0


def test_the_notes_are_the_section_of_the_version_and_of_no_other() -> None:
    spec = importlib.util.spec_from_file_location("release_notes", FOLDER / "notes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = "# Changelog\n\n## [Unreleased]\n\n- later\n\n## [1.2.0] - 2026-01-01\n\n### Added\n\n- now\n\n## [1.1.0]\n\n- before\n\n[1.2.0]: x\n"
    assert module.notes(text, "1.2.0") == "### Added\n\n- now"
    assert module.notes(text, "1.1.0") == "- before"
    assert module.notes(text, "1.2") == module.notes(text, "2.0.0") == ""


@pytest.mark.skipif(sys.platform != "linux", reason="packed by GNU tar")
def test_packed_alarms_lead_to_pages_of_the_release(tmp_path: Path) -> None:
    subprocess.run([str(FOLDER / "pack.sh"), "https://code.example/x/blob/v1", str(tmp_path)], check=True)
    with tarfile.open(tmp_path / "lrt-oracle-packaging.tar.gz") as packed:
        names = packed.getnames()
        rules = b"".join(
            file.read() for n in names if "/prometheus/rules/" in n and (file := packed.extractfile(n)) is not None
        ).decode()
    found = re.findall(r"runbook_url: (\S+)", rules)
    assert sorted(found) == sorted(f"https://code.example/x/blob/v1/docs/runbooks/{r.name}.md" for r in shipped_rules())
    assert "lrt-oracle-packaging/systemd/lrt-oracle.service" in names
    assert not any("__pycache__" in n for n in names)


@pytest.mark.skipif(tool("cyclonedx-py") is None, reason="cyclonedx-bom is not installed (pip)")
def test_what_is_in_the_wheel_is_listed_with_each_pinned_version(tmp_path: Path) -> None:
    (step,) = [r for r in runs("release.yml", "packages").splitlines() if r.startswith("cyclonedx-py")]
    name, *arguments = step.replace("dist/", f"{tmp_path}/").split()
    subprocess.run([str(tool(name)), *arguments], cwd=ROOT, check=True, capture_output=True)
    listed = json.loads((tmp_path / "lrt-oracle.cdx.json").read_text(encoding="utf-8"))
    pins = re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert {(c["name"], c["version"]) for c in listed["components"]} == set(pins)
    assert listed["metadata"]["component"]["name"] == "lrt-oracle"


def test_a_release_has_all_its_parts() -> None:
    packages, image = runs("release.yml", "packages"), runs("release.yml", "image")
    for part in ("notes.py", "build.py dist --twice", "cyclonedx-py", "pack.sh", "attest-build-provenance", "gh release create"):  # fmt: skip
        assert part in packages, part
    assert "--platform linux/amd64,linux/arm64" in image
    assert plain_yaml.load(WORKFLOWS / "release.yml")["on"] == {"push": {"tags": ["v*"]}}
    base = plain_yaml.load(WORKFLOWS / "release.yml")["env"]["PYTHON_IMAGE"]
    assert f"ARG PYTHON_IMAGE={base}\n" in (ROOT / "packaging" / "container" / "Containerfile").read_text("utf-8")


def test_the_matrix_has_each_python_and_machine_that_is_promised() -> None:
    matrix = plain_yaml.load(WORKFLOWS / "ci.yml")["jobs"]["platforms"]["strategy"]["matrix"]
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert {name.split("-")[0] for name in matrix["os"]} == {"ubuntu", "macos"}
    assert any(name.endswith("-arm") for name in matrix["os"])


@pytest.mark.skipif(tool("check-jsonschema") is None, reason="check-jsonschema is not installed (pip)")
def test_workflows_are_right_by_their_schema() -> None:
    command = [
        str(tool("check-jsonschema")),
        "--builtin-schema",
        "vendor.github-workflows",
        *map(str, WORKFLOWS.glob("*.yml")),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
