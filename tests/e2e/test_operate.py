"""docs/operate.md does not lie: a newcomer does what it says, beside four operators that run, and gets its seat among them."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import contracts
from demo import settings
from demo.fleet.fleet import Fleet, FleetPlan, free_ports, running_fleet
from demo.fleet.fleet_run import market_of, until_sealing
from demo.fleet.fleet_summary import fleet_ledger
from demo.fleet.ledger import rounds_sealed
from demo.fleet.rotation import arm_by_hand, named_from_s
from demo.fleet.rounds_of import sleep_until
from feeds.chains.abi import checksummed
from oracle.sign.keyfiles import stated_address
from oracle.storage.database import Database

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "operate.md").read_text(encoding="utf-8")
PATIENCE_S = 240.0
DELAY_S = 45
UNREADY = 3
pytestmark = [pytest.mark.e2e, pytest.mark.chain]


def blocks(kind: str) -> list[str]:
    """Blocks of a kind, in order."""
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


class Newcomer:
    """A machine with nothing on it but the software and the others' config."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "var").mkdir()
        words = {"LRT_ORACLE_PASSPHRASE": "of mine", "LRT_ORACLE_GAS_PASSPHRASE": "of the gas key"}
        self.environ = {**os.environ, **words, "PYTHONPATH": str(Path(contracts.__file__).parent.parent)}
        self.process: asyncio.subprocess.Process | None = None

    async def does(self, block: str) -> tuple[int, str]:
        """Carry a block out as a shell would; what its last command says."""
        lines = "\n".join(line for line in block.splitlines() if not line.startswith("export "))
        script = f'lrt-oracle() {{ {sys.executable} -m oracle "$@"; }}\nset -e\n{lines}'
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", script, cwd=self.folder, env=self.environ,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode()

    async def runs(self) -> None:
        """`lrt-oracle run`, which goes on."""
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "oracle", "run", cwd=self.folder, env=self.environ, stdout=log, stderr=log
            )

    async def stops(self) -> None:
        """SIGTERM, which ends it in order."""
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            assert await self.process.wait() == 0, (self.folder / "log").read_text()[-2_000:]

    @property
    def report_key(self) -> bytes:
        return bytes.fromhex(stated_address(self.folder / "var" / "mine.key.json")[2:])

    def has_signed(self, target: str) -> list[int]:
        """Rounds in its own database that hold its signature."""
        path = self.folder / "var" / "oracle.db"
        database = Database(path)
        try:
            sealed = [database.agreement(r, target) for r in rounds_sealed(path)]
        finally:
            database.close()
        return [a.round_time_s for a in sealed if a is not None and self.report_key in {s for s, _ in a.seals}]


def write_config(newcomer: Newcomer, fleet: Fleet) -> None:
    """The others' file with the block of the page, the page's example addresses in it replaced by real ones."""
    (block,) = blocks("toml")
    alpha = next(iter(fleet.operators.values()))
    port, api_port = free_ports(2)
    shared = settings.config_text(
        fleet.world, rpc_urls=(fleet.node.url,), venues={n: (v.ws_url, v.rest_url) for n, v in fleet.venues.items()},
        store=fleet.deployment.store, folder=Path("var"), port=api_port, operators={}, interval_s=fleet.interval_s,
    )  # fmt: skip
    replaced = {
        "0.0.0.0:8651": f"127.0.0.1:{port}",
        "mine.example.org:8651": f"127.0.0.1:{port}",
        "alpha.example.org:8651": alpha.place.listen,
        "0x" + "1" * 40: checksummed(fleet.addresses["alpha"]),
        "[network]\n": f'[network]\ndirectory = "{fleet.deployment.directory}"\n',
    }
    for example, real in replaced.items():
        assert example in block, f"{example} is not in the page"
        block = block.replace(example, real)
    (newcomer.folder / "config.toml").write_text(shared + block)


@asynccontextmanager
async def four(folder: Path) -> AsyncIterator[Fleet]:
    plan = FleetPlan(operators=4, interval_s=3, directory=True, rotation_delay_s=DELAY_S)
    async with running_fleet(folder, plan) as fleet, market_of(fleet):
        await fleet.start()
        await until_sealing(fleet, PATIENCE_S)
        yield fleet


async def until_says(newcomer: Newcomer, block: str, status: int) -> str:
    """Repeat a block until it ends with a status."""
    output = ""
    for _ in range(60):
        code, output = await newcomer.does(block)
        if code == status:
            return output
        await asyncio.sleep(1)
    raise AssertionError(f"{block!r} never ended with {status}: {output[-2_000:]}")


async def name_with(fleet: Fleet, newcomer: bytes) -> int:
    members = [*fleet.addresses.values(), newcomer]
    starts_s = await named_from_s(fleet, members)
    await arm_by_hand(fleet, list(fleet.operators), lambda _line: None)
    return starts_s


async def test_from_nothing_to_a_seat_as_the_page_says(tmp_path: Path) -> None:
    keys, offline, join, announce, run, peers, seated = blocks("sh")
    newcomer = Newcomer(tmp_path / "mine")
    async with four(tmp_path / "fleet") as fleet:
        code, output = await newcomer.does(keys)
        assert code == 0, output
        write_config(newcomer, fleet)
        gas = stated_address(newcomer.folder / "var" / "gas.key.json")
        await fleet.chain.rpc("anvil_setBalance", gas, hex(10**18))
        code, output = await newcomer.does(offline)
        assert code == 0, output
        code, output = await newcomer.does(join)
        assert (code, "todo  seat" in output) == (UNREADY, True), output
        code, output = await newcomer.does(announce)
        assert code == 0, output
        assert run.strip() == "lrt-oracle run"
        await newcomer.runs()
        try:
            starts_s = await name_with(fleet, newcomer.report_key)
            output = await until_says(newcomer, peers, 0)
            assert len([line for line in output.splitlines() if "direct" in line]) == len(fleet.operators), output
            await sleep_until(starts_s)
            await _signs(newcomer)
            await until_says(newcomer, seated, 0)
            await _update(newcomer)
        finally:
            await newcomer.stops()
        lost = fleet_ledger(fleet, _rounds(fleet, starts_s - 10, starts_s + 10)).forks
        assert not lost


def _rounds(fleet: Fleet, first_s: int, last_s: int) -> Sequence[int]:
    return range(-(-first_s // fleet.interval_s) * fleet.interval_s, last_s, fleet.interval_s)


async def _signs(newcomer: Newcomer, after_s: int = 0) -> int:
    """Wait until a round holds its signature."""
    for _ in range(int(PATIENCE_S)):
        if signed := [r for r in newcomer.has_signed("local") if r > after_s]:
            return signed[0]
        await asyncio.sleep(1)
    raise AssertionError((newcomer.folder / "log").read_text()[-3_000:])


async def _update(newcomer: Newcomer) -> None:
    """Stop, start: it signs again, and has what was sealed meanwhile."""
    before_s = max(newcomer.has_signed("local"))
    await newcomer.stops()
    await newcomer.runs()
    await _signs(newcomer, before_s)
