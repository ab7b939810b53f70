"""What is installed to run, or for the demo, is all that oracle, feeds, contracts, lab and demo import."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("oracle", "feeds", "contracts", "demo", "lab")
PINS = re.compile(r"^([\w.-]+)==", re.MULTILINE)


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(file: str) -> set[str]:
    return {plain(n) for n in PINS.findall((ROOT / file).read_text(encoding="utf-8"))}


def imported(package: str, *, at_start: bool) -> dict[str, str]:
    """Each foreign package that modules import, with one place. ``at_start``: only where a module does when it is loaded."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inside = {
            n for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef) for n in ast.walk(f)
        }
        for node in ast.walk(tree):
            if at_start and node in inside:
                continue
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom) and not node.level
                else []
            )
            for top in (n.split(".", maxsplit=1)[0] for n in names):
                if top not in {*OURS, *sys.stdlib_module_names}:
                    found.setdefault(top, str(path.relative_to(ROOT)))
    return found


@pytest.mark.parametrize("package", OURS)
def test_what_a_module_imports_when_it_is_loaded_is_pinned_to_run(package: str) -> None:
    runs = pinned("requirements.txt")
    distributions = packages_distributions()
    for top, place in imported(package, at_start=True).items():
        names = {plain(n) for n in distributions.get(top, [top])}
        assert names & runs, f"{place} imports {top}, which only the tests install"


@pytest.mark.parametrize("package", OURS)
def test_what_is_imported_later_is_pinned_to_run_or_an_extra(package: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = {plain(re.split(r"[<>=;\[ ]", text)[0]) for texts in extras.values() for text in texts}
    distributions = packages_distributions()
    for top, place in imported(package, at_start=False).items():
        names = {plain(n) for n in distributions.get(top, [top])}
        assert names & (pinned("requirements.txt") | named | {"python-pkcs11" if top == "pkcs11" else ""}), (
            f"{place} imports {top}"
        )


def test_the_tests_alone_need_what_the_demo_does_not_install() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^demo: setup-demo\b", text, re.MULTILINE)
    recipe = (
        text.split("\n.venv/.demo-ready:")[1].split("\n\n")[0]
        + text.split("\nnode_modules/.demo-ready:")[1].split("\n\n")[0]
    )
    assert "requirements-dev" not in recipe
    assert "$(call NPM_CI,--omit=dev)" in recipe
    assert not re.search(r"\bnpm (ci|install)", text), "another one than the pinned reads the overrides otherwise"
    assert re.search(r"^NPM_CI = \(cd / && \$\(NODE_IS_NEW\) && npx --yes npm@\d+\.\d+\.\d+ ci ", text, re.MULTILINE)
    assert pinned("requirements-dev.txt").isdisjoint({"aiohttp", "web3", "coincurve"})


@pytest.mark.parametrize(
    ("version", "is_new"), [("18.20.4", False), ("20.16.0", False), ("20.17.0", True), ("22.1.0", True)]
)
def test_an_old_node_is_refused_with_what_is_needed(version: str, is_new: bool) -> None:
    recipe = re.search(r"^NODE_IS_NEW = node -e '(.*)'$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert recipe is not None
    script = (
        f'const process_ = {{ versions: {{ node: "{version}" }}, version: "v{version}", exit: process.exit }};'
        + recipe[1].replace("process.", "process_.")
    )
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode == 0) == is_new, done.stderr
    assert ("Node 20.17 or later is needed" in done.stderr) != is_new


def test_an_environment_that_was_left_half_made_is_made_again(tmp_path: Path) -> None:
    recipe = re.search(r"^VENV = (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert recipe is not None
    line = recipe[1].replace("$(PY)", ".venv/bin/python").replace("$(PYTHON)", sys.executable)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", ".venv"], cwd=tmp_path, check=True, timeout=120)
    for _ in range(2):
        subprocess.run(["sh", "-c", line], cwd=tmp_path, check=True, timeout=120)
        asked = subprocess.run([".venv/bin/python", "-m", "pip", "--version"], cwd=tmp_path, check=False, timeout=120)
        assert asked.returncode == 0


def test_a_package_without_a_wheel_everywhere_is_left_out_there() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert 'coincurve==21.0.0; python_version < "3.14"' in lines
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    assert any(n.startswith("coincurve") and n.endswith("python_version < '3.14'") for n in needed)
