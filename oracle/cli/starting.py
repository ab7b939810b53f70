"""`lrt-oracle init`: from nothing to a config, a folder for data and, on request, a key."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oracle.cli.shell import Exit, ExitCode, print_result

if TYPE_CHECKING:
    from oracle.start.new_config import Made, Wanted

_PATIENCE_S = 5.0
_ALL = "all"
_NEW, _NONE = "new", "none"


@click.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path))
@click.option("--chain", help="Where sources are read: ethereum (default), arbitrum, base, optimism ...")
@click.option(
    "--endpoint", "endpoints", multiple=True, metavar="URL", help="RPC endpoint of the chain; again for each."
)
@click.option(
    "--feed",
    "feeds",
    multiple=True,
    metavar="NAME",
    help="A feed, with all that it needs; again for each. Default: all.",
)
@click.option(
    "--operator/--read-only", "operator", default=None, help="Sign prices, or only make and serve them (default)."
)
@click.option("--name", default="mine", show_default=True, help="Of the operator, in its own config.")
@click.option(
    "--key",
    type=click.Choice([_NEW, _NONE]),
    help="Of the operator: make one (default), with the passphrase in LRT_ORACLE_PASSPHRASE, in the file that"
    " LRT_ORACLE_PASSPHRASE_FILE names, or typed in; or leave that for later.",
)
@click.option("--target", "stores", multiple=True, metavar="ADDRESS", help="A PriceStore on the chain; again for each.")
@click.option("--offline", is_flag=True, help="Ask no endpoint for its chain.")
@click.option("--yes", is_flag=True, help="Ask nothing: what no option says has its default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def init(
    ctx: click.Context,
    /,
    *,
    folder: Path,
    chain: str | None,
    endpoints: tuple[str, ...],
    feeds: tuple[str, ...],
    operator: bool | None,
    name: str,
    key: str | None,
    stores: tuple[str, ...],
    offline: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Make a config that passes the check in FOLDER (default: here), a folder for data and, on request, a key.

    On a terminal it asks for what no option says. Nothing is overwritten.
    """
    from oracle.start.new_config import Wanted, check_wanted, make
    from oracle.start.refusals import StartRefused
    from oracle.start.shipped_feeds import HOME_CHAIN, chain_named, chain_names, chosen_feeds

    if (
        ctx.parent is not None
        and ctx.parent.get_parameter_source("config_path") is not click.core.ParameterSource.DEFAULT
    ):
        raise Exit("init makes FOLDER/config.toml: leave out --config, and give the folder", ExitCode.USAGE)
    asks = not yes and sys.stdin.isatty()
    try:
        if chain is None:
            chain = _choice("Chain", chain_names(), HOME_CHAIN) if asks else HOME_CHAIN
        at = chain_named(chain)
        if asks and not endpoints:
            endpoints = _endpoints(chain)
        if asks and not feeds:
            feeds = _feed_names(chain)
        named = () if _ALL in feeds else feeds
        if operator is None:
            operator = asks and click.confirm(
                "Sign prices as an operator? (else they are only made and served)", err=True
            )
        if operator and key is None:
            key = _NEW if not asks or click.confirm("Make its report key now?", default=True, err=True) else _NONE
        wanted = Wanted(
            folder=folder.absolute(),
            chain=at,
            endpoints=endpoints,
            feeds=chosen_feeds(chain, named),
            operator=name if operator else None,
            makes_key=bool(operator) and key == _NEW,
            stores=stores,
        )
        check_wanted(wanted)
        answers = {} if offline else _ask_chains(wanted)
        made = make(wanted, _with_passphrase(asks=asks) if wanted.makes_key else os.environ)
    except StartRefused as e:
        raise Exit(str(e), ExitCode.USAGE) from None
    print_result(as_json, _document(wanted, made, answers), _lines(wanted, made, answers))


def _choice(question: str, known: tuple[str, ...], default: str) -> str:
    kind = click.Choice(known)
    return str(click.prompt(question, type=kind, default=default, err=True))


def _endpoints(chain: str) -> tuple[str, ...]:
    click.echo(f"RPC endpoints of {chain}, better two or more of different providers; an empty line ends.", err=True)
    given: list[str] = []
    while True:
        url = click.prompt(f"Endpoint {len(given) + 1}", default="", show_default=False, value_proc=_endpoint, err=True)
        if url:
            given.append(url)
        elif given:
            return tuple(given)


def _endpoint(text: str) -> str:
    """What was typed in, if it is an address; it is not repeated, for it may hold a key."""
    from oracle.config.tables.forms import http_url

    url = text.strip()
    try:
        if url:
            http_url(url)
    except ValueError as e:
        raise click.UsageError(f"this address {e}") from None
    return url


def _feed_names(chain: str) -> tuple[str, ...]:
    from oracle.start.refusals import StartRefused
    from oracle.start.shipped_feeds import chosen_feeds

    def known(text: str) -> tuple[str, ...]:
        names = tuple(part.strip() for part in text.split(",") if part.strip())
        try:
            chosen_feeds(chain, () if _ALL in names else names)
        except StartRefused as e:
            raise click.UsageError(str(e).removeprefix("--feed ")) from None
        return names

    question = f"Feeds: {_ALL} {len(chosen_feeds(chain, ()))}, or names with commas (wstETH/ETH,rETH/ETH)"
    names: tuple[str, ...] = click.prompt(question, default=_ALL, value_proc=known, err=True)
    return names


def _with_passphrase(*, asks: bool) -> Mapping[str, str]:
    """The environment, with a passphrase that is typed in where it has none."""
    from oracle.sign.keyfiles import has_passphrase
    from oracle.start.new_config import PASSPHRASE

    if not asks or has_passphrase(PASSPHRASE, os.environ):
        return os.environ
    typed = click.prompt("Passphrase of the key (not shown)", hide_input=True, confirmation_prompt=True, err=True)
    return {**os.environ, PASSPHRASE: typed}


def _ask_chains(wanted: Wanted) -> dict[int, str]:
    """What each endpoint says of its chain, by its place; Exit where one serves another chain."""
    import asyncio

    from feeds.errors import FeedError
    from oracle.deploy.create2 import DeployError
    from oracle.deploy.deployment import chain_id_of

    async def ask(url: str) -> int | str:
        try:
            return await chain_id_of(url, patience_s=_PATIENCE_S)
        except (DeployError, FeedError) as e:
            return str(e)

    async def ask_all() -> list[int | str]:
        return list(await asyncio.gather(*(ask(url) for url in wanted.endpoints)))

    said: dict[int, str] = {}
    for number, answer in enumerate(asyncio.run(ask_all()), start=1):
        if isinstance(answer, int) and answer != wanted.chain.chain_id:
            raise Exit(
                f"endpoint {number} serves chain {answer}, {wanted.chain.name} is {wanted.chain.chain_id}: nothing was made;"
                " correct --endpoint or --chain",
                ExitCode.USAGE,
            )
        is_known = isinstance(answer, int)
        said[number] = "serves it" if is_known else "did not say its chain now: `lrt-oracle check` asks it again"
    return said


def _next(made: Made) -> list[str]:
    at_hand = made.config == Path.cwd() / made.config.name
    command = "lrt-oracle" if at_hand else f"lrt-oracle --config {shlex.quote(str(made.config))}"
    return [f"{command} {verb}" for verb in ("check", "once", "run")]


def _document(wanted: Wanted, made: Made, answers: Mapping[int, str]) -> dict[str, Any]:
    return {
        "config": str(made.config),
        "data": str(made.data),
        "chain": wanted.chain.name,
        "endpoints": [answers.get(n + 1, "not asked") for n in range(len(wanted.endpoints))],
        "hidden": [str(f) for f in made.hidden],
        "feeds": [f.name for f in wanted.feeds],
        "operator": wanted.operator,
        "address": made.address,
        "next": _next(made),
    }


def _lines(wanted: Wanted, made: Made, answers: Mapping[int, str]) -> list[str]:
    from oracle.start.new_config import PASSPHRASE

    rows = [f"{made.config}: {len(wanted.feeds)} feeds on {wanted.chain.name}", f"{made.data}: for database and keys"]
    rows += [f"endpoint {n} {text}" for n, text in answers.items()]
    rows += [f"{f}: an address that may hold a key; the config only names this file" for f in made.hidden]
    if made.address is not None:
        rows.append(f"report key {made.address}: keep its passphrase, and have it in {PASSPHRASE} for check and run")
    elif wanted.operator is not None:
        rows.append(f"no key yet: the lines of operator {wanted.operator} in the config say how")
    what = ("every part checked, sources asked", "one round, printed", "rounds, page and API at http://127.0.0.1:8551/")
    return [*rows, "Next:", *(f"  {c}   # {w}" for c, w in zip(_next(made), what, strict=True))]


COMMANDS = (init,)
