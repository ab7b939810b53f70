"""Commands that prepare an operator: its keys, and a store on a chain."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import click

from oracle.cli.shell import ABSTAINED, DONE, USAGE, Exit, numbers, plan_of, printed, several


@click.command()
@click.argument("name", required=False)
@click.option("--rpc", help="HTTP endpoint of the chain; the first of the store's chain by default.")
@click.option("--keyfile", required=True, type=click.Path(path_type=Path), help="Pays, and owns the store at first.")
@click.option("--passphrase-env", default="LRT_ORACLE_OWNER_PASSPHRASE", show_default=True)
@click.option("--signers", callback=several, help="Addresses of the report keys, comma separated.")
@click.option("--weights", callback=numbers, help="Of the signers, comma separated; 1 each by default.")
@click.option("--threshold", type=int, help="Weight that a batch needs: more than half.")
@click.option("--step-threshold", type=int, help="Weight with which a price may move by any step.")
@click.option("--owner", help="A timelock or Safe that the store is offered to; it calls acceptOwnership().")
@click.option("--guardian", help="May pause, and nothing else.")
@click.option("--set-owner", help="May replace signers in time and remove some at once.")
@click.option("--max-push-age", "max_push_age_s", type=int, help="Seconds after which a batch is refused.")
@click.option("--rotation-delay", "rotation_delay_s", type=int, help="Seconds until new signers count.")
@click.option("--overlap", "overlap_s", type=int, help="Seconds for which the signers before still count then.")
@click.option("--min-gap", "min_gap_s", type=int, help="Seconds between two writes of a feed (first class).")
@click.option("--step-bps", type=int, help="A price further away waits (first class).")
@click.option("--step-wait", "step_wait_s", type=int, help="For so many seconds (first class).")
@click.option("--registry", "token", metavar="TOKEN", help="Also an OperatorRegistry: what operators bond.")
@click.option("--treasury", help="Of the registry: gets what was slashed.")
@click.option("--arbiter", help="Of the registry: may give a penalty back; the owner by default.")
@click.option("--salt", default="lrt-oracle", show_default=True, help="Another word gives other addresses.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="The deployment's file; deployments/<chain>.toml by default."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.pass_obj
def deploy(
    config_path: Path,
    /,
    *,
    name: str | None,
    rpc: str | None,
    keyfile: Path,
    passphrase_env: str,
    salt: str,
    out: Path | None,
    as_json: bool,
    **said: Any,
) -> None:
    """Deploy the PriceStore of [stores.NAME], its feeds, views and registry; verify all; run again to resume.

    What is given here goes before the section; without NAME everything is given here.
    """
    from oracle.config.check_stores import asked_store, store_cautions
    from oracle.config.tables.forms import is_http
    from oracle.config.tables.schema import ConfigError
    from oracle.deploy.deployment import chain_of, commission
    from oracle.deploy.store_settings import settings_of
    from oracle.sign.keyfiles import load

    plan = plan_of(config_path)
    said["limits"] = {k: said.pop(k) for k in ("min_gap_s", "step_bps", "step_wait_s")}
    said["registry"] = {k: said.pop(k) for k in ("token", "treasury", "arbiter")}
    try:
        section = asked_store(plan.config, name, said)
    except ConfigError as e:
        raise Exit(str(e), USAGE) from None
    if rpc is None and section.chain is None:
        raise Exit("no chain: give --rpc URL, or write chain = ... in the store's section", USAGE)
    if rpc is not None and not is_http(rpc):
        raise Exit("--rpc is no endpoint: write http:// or https:// and a host", USAGE)
    url = rpc or plan.config.chains[str(section.chain)].endpoints[0]
    chain_id = asyncio.run(chain_of(url))
    named = {n: c.chain_id for n, c in plan.config.chains.items()}
    served = next((n for n, i in named.items() if i == chain_id), f"chain-{chain_id}")
    chain = section.chain or served
    if named.get(chain, chain_id) != chain_id:
        raise Exit(f"{name} belongs on {chain}, the endpoint serves {served}", USAGE)
    for caution in store_cautions(section, chain_id):
        click.echo(f"warning: {caution}", err=True)
    specs = [s for s in plan.specs.values() if all(f in plan.pushed for f in s.legs or (s.feed,))]
    path = out or Path("deployments") / f"{chain}.toml"
    done = asyncio.run(
        commission(url, load(keyfile, passphrase_env), settings_of(section), specs, salt=salt, path=path)
    )
    for note in done.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"{done.sent} transactions; all code verified", err=True)
    printed(as_json, done.document(), [done.toml().rstrip()])


def _signatures(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> list[bytes]:
    try:
        return [bytes.fromhex(text.strip().removeprefix("0x")) for text in texts]
    except ValueError:
        raise click.BadParameter("write 0x and hex digits, as this command prints them") from None


@click.command()
@click.argument("target")
@click.option("--signature", "given", multiple=True, metavar="HEX", callback=_signatures, help="Of another machine.")
@click.option("--send", is_flag=True, help="Carry the signatures, once their weight suffices.")
@click.option("--keyfile", type=click.Path(path_type=Path), help="Pays instead of the target's gas key.")
@click.option("--passphrase-env", default="LRT_ORACLE_GAS_PASSPHRASE", show_default=True, help="Of that keyfile.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.pass_obj
def arm(
    config_path: Path,
    /,
    *,
    target: str,
    given: list[bytes],
    send: bool,
    keyfile: Path | None,
    passphrase_env: str,
    as_json: bool,
) -> None:
    """Arm the next signer set of a target's store: sign with this machine's keys, add others' signatures, send.

    Operators that one process runs do this by themselves if they have the weight.
    """
    from oracle.model.suggest import nearest
    from oracle.push.arm_by_hand import ByHand

    config = plan_of(config_path).config
    if target not in config.targets:
        raise Exit(f"{target!r} is no target of {config_path}; {nearest(target, config.targets)}", USAGE)
    desk = ByHand(config, target, os.environ)
    found = asyncio.run(desk.gather(given))
    payer = None if keyfile is None else (keyfile, passphrase_env)
    sent = asyncio.run(desk.send(found, payer)) if send and found.suffices else None
    printed(as_json, found.document(target, sent), found.lines(target, sent))
    sys.exit(ABSTAINED if send and sent is None else DONE)


@click.group()
def keys() -> None:
    """Report and gas keys: encrypted keyfiles."""


@keys.command("new")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--journal", type=click.Path(path_type=Path), help="Make the sign journal with the key: a report key.")
@click.option("--passphrase-env", default="LRT_ORACLE_PASSPHRASE", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def keys_new(path: Path, journal: Path | None, passphrase_env: str, as_json: bool) -> None:
    """Make a key. With --journal it may sign at once; without one a report key stays mute at first."""
    from oracle.sign.keyfiles import new

    where = new(path, journal, passphrase_env)
    printed(as_json, {"address": where}, [where])


@keys.command("show")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def keys_show(path: Path, as_json: bool) -> None:
    """Print the address of a keyfile."""
    from oracle.sign.keyfiles import stated_address

    where = stated_address(path)
    printed(as_json, {"address": where}, [where])


COMMANDS = (deploy, arm, keys)
