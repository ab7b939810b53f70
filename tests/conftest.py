"""What every test shares: closed sockets for unit tests, a real local chain for the others."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import hypothesis
import pytest
import structlog

from demo.world import anvil
from oracle.sign import curve
from tests.open_databases import track_databases

track_databases()

if find_spec("coincurve") is None:  # no wheel for this Python: tests use its names, of what stands in for it
    os.environ["ECC_BACKEND_CLASS"] = "eth_keys.backends.NativeECCBackend"
    sys.modules["coincurve"] = curve


class _NoWheel:
    """What a module of tests imports is not to be had for this Python or machine: it is skipped, and says why."""

    def find_spec(self, name: str, _path: Sequence[str] | None = None, _target: object = None) -> None:
        if name == "pyrevm":
            pytest.skip("pyrevm has no wheel for this Python or machine", allow_module_level=True)


if sys.version_info >= (3, 13) or (sys.platform == "linux" and platform.machine() != "x86_64"):
    sys.meta_path.append(_NoWheel())

EXAMPLES = int(os.environ.get("LRT_ORACLE_EXAMPLES", "100"))
"""Of each property; `make laws` asks for 10,000."""
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=EXAMPLES)
hypothesis.settings.load_profile("repeatable")
SHARED_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("chain") or item.get_closest_marker("e2e") or item.get_closest_marker("loopback"):
            item.add_marker(pytest.mark.allow_hosts(["127.0.0.1", "localhost", "::1"]))


@pytest.fixture(scope="session")
def node() -> Iterator[anvil.Anvil]:
    """One anvil for the whole session, a block for each transaction. Tests deploy their own contracts on it."""
    with anvil.running() as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def _own_state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Files that a process keeps with the state of its user go into a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True)
def _own_log_settings() -> Iterator[None]:
    """A command sets up the log of its process, at its level and to its stream: the next test begins without that."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def captures() -> Path:
    """The folder of captured exchange messages; skips where it is not present."""
    folder = SHARED_DATA / "exchange_payloads"
    if not folder.is_dir():
        pytest.skip("captured exchange messages are not beside this checkout")
    return folder
