"""Commands that set an operator up: its keys, a store on a chain, the next signer set."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from oracle.cli.shell import Exit, ExitCode, checked_config, comma_list, comma_numbers, print_result


@click.command()
@click.argument("name", required=False)
@click.option("--rpc", help="HTTP endpoint of the chain; default: the first of the store's chain.")
@click.option(
    "--keyfile", required=True, type=click.Path(path_type=Path), help="Key that pays, and owns the store at first."
)
@click.option("--passphrase-env", default="LRT_ORACLE_OWNER_PASSPHRASE", show_default=True)
@click.option("--signers", callback=comma_list, help="Addresses of the report keys, comma separated.")
@click.option("--weights", callback=comma_numbers, help="Weights of the signers, comma separated; default: 1 each.")
@click.option("--threshold", type=int, help="Weight that a batch needs: more than half.")
@click.option("--step-threshold", type=int, help="Weight that lets a price move by any step.")
@click.option("--owner", help="A timelock or Safe that the store is offered to; it calls acceptOwnership().")
@click.option("--guardian", help="May pause, and nothing else.")
@click.option("--set-owner", help="May replace signers after the delay, and remove some at once.")
@click.option("--max-push-age", "max_push_age_s", type=int, help="Seconds after which a batch is refused.")
@click.option("--rotation-delay", "rotation_delay_s", type=int, help="Seconds until new signers count.")
@click.option("--overlap", "overlap_s", type=int, help="Seconds for which the previous signers still count then.")
@click.option("--longest-epoch", "longest_epoch_s", type=int, help="Seconds after which signers expire; 0: never.")
@click.option("--min-gap", "min_gap_s", type=int, help="Seconds between two writes of a feed (first class).")
@click.option("--step-bps", type=int, help="A price further away than this waits (first class).")
@click.option("--step-wait", "step_wait_s", type=int, help="How many seconds it waits (first class).")
@click.option(
    "--stake", "token", metavar="TOKEN", help="Let stake decide who signs: the token that is delegated to operators."
)
@click.option("--treasury", help="Of stake: receives what is taken.")
@click.option("--arbiter", help="Of stake: may give a penalty back within its dispute; default: nobody.")
@click.option(
    "--one-party", is_flag=True, default=None, help="All signers are one party's keys: more than half will do."
)
@click.option("--directory", is_flag=True, default=None, help="Make an OperatorDirectory too.")
@click.option("--dry", is_flag=True, help="Send nothing: say what would be made, where, with which settings and gas.")
@click.option("--salt", default="lrt-oracle", show_default=True, help="Another salt gives other addresses.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="File of the deployment; default: deployments/<chain>.toml."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def deploy(
    config_path: Path,
    /,
    *,
    name: str | None,
    rpc: str | None,
    keyfile: Path,
    passphrase_env: str,
    dry: bool,
    salt: str,
    out: Path | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Deploy the PriceStore of [stores.NAME], its feeds and views, and what decides by stake who signs; verify all.

    Run it again to resume: what is there stays.

    Options override the section; without NAME everything comes from options.
    """
    from oracle.config.check_stores import store_cautions, store_with_overrides
    from oracle.config.tables.forms import is_http
    from oracle.config.tables.schema import ConfigError
    from oracle.deploy.deployment import chain_id_of, deploy_and_record, dry_run
    from oracle.deploy.store_settings import settings_of
    from oracle.sign.keyfiles import load, stated_address

    resolved = checked_config(config_path)
    settings["limits"] = {k: settings.pop(k) for k in ("min_gap_s", "step_bps", "step_wait_s")}
    settings["stake"] = {"arbiter": settings.pop("arbiter")}
    settings["stake"]["delegated"] = {k: settings.pop(k) for k in ("token", "treasury")}
    try:
        section = store_with_overrides(resolved.config, name, settings)
    except ConfigError as e:
        raise Exit(str(e), ExitCode.USAGE) from None
    if rpc is None and section.chain is None:
        raise Exit("no chain: give --rpc URL, or write chain = ... in the store's section", ExitCode.USAGE)
    if rpc is not None and not is_http(rpc):  # it may name a secret, as the config's endpoints may
        raise Exit("--rpc is not an endpoint: write http:// or https:// and a host", ExitCode.USAGE)
    url = rpc or resolved.config.chains[str(section.chain)].endpoints[0]
    chain_id = asyncio.run(chain_id_of(url))
    named = {n: c.chain_id for n, c in resolved.config.chains.items()}
    served = next((n for n, i in named.items() if i == chain_id), f"chain-{chain_id}")
    chain = section.chain or served
    if named.get(chain, chain_id) != chain_id:
        raise Exit(f"{name} belongs on {chain}, the endpoint serves {served}", ExitCode.USAGE)
    for caution in store_cautions(section, chain_id):
        click.echo(f"warning: {caution}", err=True)
    specs = [s for s in resolved.specs.values() if all(f in resolved.pushed for f in s.legs or (s.feed,))]
    path = out or Path("deployments") / f"{chain}.toml"
    made = settings_of(section)
    if dry:
        account = bytes.fromhex(stated_address(keyfile).removeprefix("0x"))
        tried = asyncio.run(dry_run(url, account, made, specs, salt=salt, path=path))
        print_result(as_json, tried.document(), tried.lines())
        return
    key = load(keyfile, passphrase_env)
    told = partial(click.echo, err=True)
    done = asyncio.run(deploy_and_record(url, key, made, specs, salt=salt, path=path, told=told))
    for note in done.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"{done.sent} transactions; all code verified", err=True)
    print_result(as_json, done.document(), [done.toml().rstrip()])


def _signatures(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> list[bytes]:
    try:
        return [bytes.fromhex(text.strip().removeprefix("0x")) for text in texts]
    except ValueError:
        raise click.BadParameter("write 0x and hex digits, as this command prints them") from None


@click.command()
@click.argument("target")
@click.option(
    "--signature",
    "signatures",
    multiple=True,
    metavar="HEX",
    callback=_signatures,
    help="Signature of another machine.",
)
@click.option("--send", is_flag=True, help="Send the signatures, once their weight suffices.")
@click.option("--keyfile", type=click.Path(path_type=Path), help="Key that pays instead of the target's gas key.")
@click.option(
    "--passphrase-env",
    default="LRT_ORACLE_GAS_PASSPHRASE",
    show_default=True,
    help="Variable with the passphrase of that keyfile.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def arm(
    config_path: Path,
    /,
    *,
    target: str,
    signatures: list[bytes],
    send: bool,
    keyfile: Path | None,
    passphrase_env: str,
    as_json: bool,
) -> None:
    """Arm the next signer set of a target's store: sign with this machine's keys, add others' signatures, send.

    A process whose operators have the weight does this by itself.
    """
    from oracle.model.suggest import nearest
    from oracle.push.arming.by_hand import ManualArming

    config = checked_config(config_path).config
    if target not in config.targets:
        raise Exit(f"{target!r} is not a target of {config_path}; {nearest(target, config.targets)}", ExitCode.USAGE)
    arming = ManualArming(config, target, os.environ)
    gathered = asyncio.run(arming.collect(signatures))
    payer = None if keyfile is None else (keyfile, passphrase_env)
    sent = asyncio.run(arming.send(gathered, payer)) if send and gathered.suffices else None
    print_result(as_json, gathered.document(target, sent), gathered.lines(target, sent))
    sys.exit(ExitCode.ABSTAINED if send and sent is None else ExitCode.DONE)


@click.command()
@click.option("--show", is_flag=True, help="Only show what the directory says of every member of the store.")
@click.option("--send", is_flag=True, help="Send it, unless the directory says the same already.")
@click.option("--keyfile", type=click.Path(path_type=Path), help="Key that pays instead of the target's gas key.")
@click.option(
    "--passphrase-env",
    default="LRT_ORACLE_GAS_PASSPHRASE",
    show_default=True,
    help="Variable with the passphrase of that keyfile.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def announce(
    config_path: Path, /, *, show: bool, send: bool, keyfile: Path | None, passphrase_env: str, as_json: bool
) -> None:
    """Announce where this operator is reached, by [network]: sign it with the report key, print it, send it."""
    from oracle.network.announcer import Announcer, NoDirectory

    try:
        announcer = Announcer(checked_config(config_path, network=True).config, os.environ)
    except NoDirectory as e:
        raise Exit(str(e), ExitCode.USAGE) from None
    if show:
        shown = asyncio.run(announcer.show())
        print_result(as_json, shown.document(), shown.lines())
        return
    made = asyncio.run(announcer.make())
    payer = None if keyfile is None else (keyfile, passphrase_env)
    sent, tx_hash = asyncio.run(announcer.send(made, payer)) if send and not made.unchanged else (None, "")
    print_result(as_json, made.document(sent, tx_hash), made.lines(sent, tx_hash))


@click.group()
def keys() -> None:
    """Report and gas keys: encrypted keyfiles."""


@keys.command("new")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--journal", type=click.Path(path_type=Path), help="Make a report key, with this sign journal.")
@click.option("--passphrase-env", default="LRT_ORACLE_PASSPHRASE", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def keys_new(path: Path, journal: Path | None, passphrase_env: str, as_json: bool) -> None:
    """Make a key. With --journal it may sign at once; without one a report key signs nothing at first."""
    from oracle.sign.keyfiles import new

    address = new(path, journal, passphrase_env)
    print_result(as_json, {"address": address}, [address])


@keys.command("show")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def keys_show(path: Path, as_json: bool) -> None:
    """Print the address of a keyfile."""
    from oracle.sign.keyfiles import stated_address

    address = stated_address(path)
    print_result(as_json, {"address": address}, [address])


COMMANDS = (deploy, announce, arm, keys)
