"""Commands that ask: a price by a question of one's own, and an archive in SQL."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oracle.cli.shell import ROUND, Exit, ExitCode, checked_config, open_database, print_result

if TYPE_CHECKING:
    from oracle.query.question import PriceQuestion

_MOST_ROUNDS, _MOST_POINTS, _MOST_CPU_MS = 2_000_000, 200_000, 3_600_000
"""Of a command, which keeps nobody waiting but who has started it."""
_MOST_BYTES = 64 << 20
_OK, _PATH = 200, "/v1/query"


@click.command()
@click.argument("pair", metavar="BASE/QUOTE")
@click.option("--feed", help="The feed of that pair whose inputs and judge are taken; default: BASE/QUOTE.")
@click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="KEY=VALUE[,KEY=VALUE]",
    help="Sources of which all of that is true: name, venue, pool, chain, group, min_depth. Again for further ones; default: all.",
)
@click.option("--method", help="How sources become one price; default: the feed's.")
@click.option("--filter", "outliers", help="Filter of outliers, or none; default: the feed's.")
@click.option("--window", "window_s", type=int, help="Seconds, of a method over time.")
@click.option("--dust", help="Leave out trades of fewer base units, of a method of trades.")
@click.option("--from", "from_s", type=ROUND, help="Unix seconds; default: as --to.")
@click.option("--to", "to_s", type=ROUND, help="Unix seconds; default: now with --url, else the newest stored round.")
@click.option("--step", "step_s", type=int, help="A price each so many seconds; default: one, at --to.")
@click.option(
    "--live/--stored",
    "live",
    default=None,
    help="Of this moment (with --url, the default if no time is asked), or of the newest stored round.",
)
@click.option("--url", help="Ask the endpoint of a running process there instead of the database of the config.")
@click.option(
    "--as-feed", "as_block", is_flag=True, help="Print the config block that gives the same price, and ask nothing."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def query(
    config_path: Path, /, *, pair: str, sources: tuple[str, ...], outliers: str | None, url: str | None, as_block: bool,
    as_json: bool, **plain: Any,
) -> None:  # fmt: skip
    """Ask for a price by sources, method and time of your own choice; it is judged as any and never signed.

    With --url the running process answers, of this moment if no time is asked; else the database does, of its stored rounds.

    Exit status: 0 there is a price, 3 the question brings none.
    """
    from oracle.query.answer import answer_lines
    from oracle.query.question import QuestionRefused, parsed
    from oracle.runtime.logs import without_secrets

    base, slash, quote = pair.partition("/")
    if not slash or any(c.isspace() for c in pair):
        text = (
            f"{pair[:40]!r} is not BASE/QUOTE; a question to the archive in SQL is asked by: lrt-oracle archive-sql SQL"
        )
        raise Exit(text, ExitCode.USAGE)
    selectors = [_selector(text) for text in sources]
    written = {"base": base, "quote": quote, "sources": selectors, "filter": outliers, **plain}
    document = {k: v for k, v in written.items() if v not in (None, [])}
    try:
        question = parsed(document)
        if as_block:
            click.echo(without_secrets(_block(config_path, question)), nl=False)
            return
        answer = asyncio.run(_of_endpoint(url, document)) if url else _of_database(config_path, question)
    except QuestionRefused as e:
        raise Exit(str(e), ExitCode.USAGE) from None
    print_result(as_json, answer, answer_lines(answer))
    points = answer.get("points") or [answer["answer"]]
    raise SystemExit(ExitCode.DONE if any(p["price"] for p in points) else ExitCode.ABSTAINED)


def _selector(text: str) -> dict[str, str]:
    """KEY=VALUE[,KEY=VALUE] as a table."""
    parts = [part.partition("=") for part in text.split(",")]
    if not all(key and mark and value for key, mark, value in parts):
        raise Exit(f"--source {text!r}: write KEY=VALUE[,KEY=VALUE], as venue=kraken", ExitCode.USAGE)
    keys = [key.strip() for key, _, _ in parts]
    for twice in sorted({k for k in keys if keys.count(k) > 1}):
        why = f"{twice} is written twice, and all of it must be true of a source: write --source again for another one"
        raise Exit(f"--source {text!r}: {why}", ExitCode.USAGE)
    return {key.strip(): value.strip() for key, _, value in parts}


def _block(config_path: Path, question: PriceQuestion) -> str:
    from oracle.query.as_feed import as_feed
    from oracle.query.plan import planned
    from oracle.query.question import BAD_QUERY, QuestionRefused

    if question.wants_depth:
        text = "a feed names its sources, and min_depth chooses others at each time"
        raise QuestionRefused(BAD_QUERY, text, "ask first, then name those of the answer with --source name=...")
    return as_feed(planned(checked_config(config_path), question))


def _of_database(config_path: Path, question: PriceQuestion) -> dict[str, Any]:
    """The answer out of the config's database; a process may write it meanwhile."""
    from oracle.query.ask import DirectRounds, ask
    from oracle.query.plan import QueryLimits, planned

    resolved = checked_config(config_path)
    feed = planned(resolved, question).spec.feed  # what is wrong with the words is said without a database
    limits = QueryLimits(rounds=_MOST_ROUNDS, points=_MOST_POINTS, cpu_ms=_MOST_CPU_MS)
    database = open_database(config_path, feed)
    return asyncio.run(ask(resolved, question, DirectRounds(database), limits))


async def _of_endpoint(url: str, document: dict[str, Any]) -> dict[str, Any]:
    """The answer of a running process."""
    import aiohttp

    if not url.startswith(("http://", "https://")):
        raise Exit(f"--url {url!r}: write http:// or https:// before it", ExitCode.USAGE)
    where = f"{url.rstrip('/').removesuffix(_PATH)}{_PATH}"
    try:
        async with aiohttp.ClientSession() as session, session.post(where, json=document) as answer:
            body = await answer.content.read(_MOST_BYTES)
            found = json.loads(body)
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, ValueError) as e:
        raise Exit(f"{where}: {str(e) or type(e).__name__}", ExitCode.FAILED) from None
    if status != _OK:
        error = found.get("error", {}) if isinstance(found, dict) else {}
        code = ExitCode.USAGE if error.get("code") == "bad_query" else ExitCode.FAILED
        raise Exit(f"{where}: {error.get('message', status)}: {error.get('hint', '')}", code)
    if not isinstance(found, dict) or "limits" not in found:
        raise Exit(f"{where}: that is no answer of this program", ExitCode.FAILED)
    return found


@click.command("archive-sql")
@click.argument("sql")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def archive_sql(config_path: Path, sql: str, as_json: bool) -> None:
    """Ask the archive of the config a question in SQL; nothing is changed by it."""
    from oracle.archive.command import queried

    columns, rows = asyncio.run(queried(checked_config(config_path), sql))
    document = {"columns": columns, "rows": rows}
    print_result(
        as_json, document, ["\t".join(columns), *("\t".join("" if v is None else str(v) for v in r) for r in rows)]
    )


COMMANDS = (query, archive_sql)
