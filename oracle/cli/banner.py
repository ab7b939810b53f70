"""What a process that runs on tells of itself: how it logs, what it is when it starts, and why it stops."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import structlog

from oracle.cli.hiding import hide_secrets
from oracle.model.spec import RULES_VERSION
from oracle.runtime.logs import STARTS, LogFormat, LogLevel, log_pipe, set_up_log

if TYPE_CHECKING:
    from oracle.config.resolve import ResolvedConfig
    from oracle.config.sections import Config
    from oracle.config.tables.operator_sections import OperatorSection

_log = structlog.get_logger(STARTS)
_ROOT = Path(__file__).resolve().parent.parent.parent
_COMMIT_LENGTH = 40


def log_as_configured(config: Config) -> None:
    """Log as [log] says, from now on; --log and --verbose go before it. Every secret that the config names is hidden."""
    asked = click.get_current_context().find_root().params
    section = config.log
    form = LogFormat(asked.get("log") or section.format)
    level = LogLevel.INFO if asked.get("verbose") and section.level is not LogLevel.DEBUG else section.level
    pipe = log_pipe() or set_up_log(form, level)
    pipe.set_format(form)
    pipe.set_levels(level, section.levels)
    pipe.faults.repeat_s, pipe.faults.over_s = float(section.repeat_s), float(section.over_s)
    hide_secrets(config, os.environ)


@contextmanager
def told(what: str, resolved: ResolvedConfig, config_path: Path) -> Iterator[None]:
    """Log a banner at the start and a line at the end."""
    began_s = time.monotonic()
    _log.info("start", process=what, pid=os.getpid(), **versions(), **_facts(resolved, config_path))
    try:
        yield
    except BaseException as e:
        _log.error("stop", reason=f"{type(e).__name__}: {e}", ran_s=round(time.monotonic() - began_s, 1), news=True)
        raise
    _log.info("stop", reason="it was told to", ran_s=round(time.monotonic() - began_s, 1))


def versions() -> dict[str, Any]:
    """What runs here."""
    from oracle.storage.migrations.steps import NEWEST

    try:
        own = version("lrt-oracle")
    except PackageNotFoundError:
        own = "not installed"
    return {
        "version": own, "commit": commit(), "rules_version": RULES_VERSION, "database_schema": NEWEST,
        "python": platform.python_version(), "platform": f"{sys.platform} {platform.machine()}",
    }  # fmt: skip


def commit(root: Path = _ROOT) -> str | None:
    """The commit of git that this program is of: of the checkout that it runs in, or that it was installed from; None: not known."""
    with suppress(OSError):
        if (root / ".git").exists():
            return _checked_out(root / ".git")
    with suppress(PackageNotFoundError, ValueError, KeyError, TypeError):
        document = distribution("lrt-oracle").read_text("direct_url.json")
        return str(json.loads(document or "{}")["vcs_info"]["commit_id"])
    return None


def _checked_out(git: Path) -> str | None:
    folder = git
    if git.is_file():  # a second work tree: the file says where its folder is
        folder = (git.parent / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()).resolve()
    head = (folder / "HEAD").read_text(encoding="utf-8").strip()
    if not head.startswith("ref: "):
        return head
    name, common = head.removeprefix("ref: "), folder
    with suppress(FileNotFoundError):
        common = (folder / (folder / "commondir").read_text(encoding="utf-8").strip()).resolve()
    for place in (folder, common):
        with suppress(FileNotFoundError):
            return (place / name).read_text(encoding="utf-8").strip()
    with suppress(FileNotFoundError):
        packed = (common / "packed-refs").read_text(encoding="utf-8").splitlines()
        return next((line[:_COMMIT_LENGTH] for line in packed if line.endswith(f" {name}")), None)
    return None


def _facts(resolved: ResolvedConfig, config_path: Path) -> dict[str, Any]:
    from oracle.assemble.network import common_rules

    config = resolved.config
    kinds = Counter(s.kind.value for f in resolved.specs.values() for s in f.sources)
    return {
        "config": str(config_path.resolve()),
        "config_sha256": hashlib.sha256(config_path.read_bytes()).hexdigest(),
        "rules_hash": f"0x{common_rules(resolved).digest.hex()}",
        "round_interval_s": config.oracle.round_interval_s,
        "data": str(Path(config.oracle.database).resolve().parent),
        "api": f"http://{config.api.host}:{config.api.port}",
        "feeds": list(resolved.specs),
        "pushed": len(resolved.pushed),
        "sources": dict(sorted(kinds.items())),
        "venues": sorted(config.venues),
        "chain": [{"name": n, "chain_id": c.chain_id, "endpoints": len(c.endpoints)} for n, c in config.chains.items()],
        "target": [{"name": n, "chain": t.chain, "store": t.store} for n, t in config.targets.items()],
        "operator": [{"name": o.name, "address": _address(o), "journal": o.journal} for o in config.operators],
    }


def _address(section: OperatorSection) -> str | None:
    """The address of an operator's key, as far as it is known before a key is opened."""
    from oracle.sign.keyfiles import KeyfileError, stated_address

    if section.signer_address is not None:
        return section.signer_address
    with suppress(OSError, KeyfileError):
        return stated_address(Path(section.keyfile or ""))
    return None
