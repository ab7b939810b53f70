"""Commands for keys of the endpoint, which give one reader limits of its own."""

from __future__ import annotations

import re

import click

from oracle.cli.shell import print_result

_BYTES = 24
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


@click.group("api-key")
def api_key() -> None:
    """Keys of the endpoint: readers with limits of their own."""


@api_key.command("new")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def new(name: str, as_json: bool) -> None:
    """Make a key for the reader NAME: give the key to that reader, and put its hash into the config. It is kept nowhere."""
    import hashlib
    import secrets

    if not _NAME.fullmatch(name):
        raise click.BadParameter("a name has letters, digits, - and _, at most 64", param_hint="NAME")
    key = f"lrt_{secrets.token_urlsafe(_BYTES)}"
    hashed = hashlib.sha256(key.encode()).hexdigest()
    rows = [f"X-API-Key: {key}", "", "# for the config; the defaults of its limits are in docs/config.md",
            f"[api.keys.{name}]", f'sha256 = "{hashed}"']  # fmt: skip
    print_result(as_json, {"name": name, "key": key, "sha256": hashed}, rows)


COMMANDS = (api_key,)
