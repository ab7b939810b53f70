"""Files that a start would want: a config that names one that is not there is no config to go by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from oracle.config.sections import Config
from oracle.config.tables.schema import Problem
from oracle.sign.keyfiles import has_passphrase


def missing_files(config: Config, environ: Mapping[str, str]) -> Iterator[Problem]:
    """Keyfiles whose passphrase is given, and the certificate: those that do not exist."""
    network = config.network
    named: list[tuple[str, str | None, str | None]] = [
        *((f"operators.{o.name}.keyfile", o.keyfile, o.passphrase_env) for o in config.operators),
        *((f"targets.{n}.gas_keyfile", t.gas_keyfile, t.passphrase_env) for n, t in config.targets.items()),
        ("watch.gas_keyfile", config.watch.gas_keyfile, config.watch.passphrase_env),
        ("rewards.gas_keyfile", config.rewards.gas_keyfile, config.rewards.passphrase_env),
    ]
    if network is not None:
        named += [
            ("network.certificate", network.certificate, None),
            ("network.private_key", network.private_key, None),
        ]
    for key, name, variable in named:
        wanted = name is not None and (variable is None or has_passphrase(variable, environ))
        if wanted and not Path(str(name)).is_file():
            yield Problem(key, f"{name} does not exist: put it there, or correct the path")
