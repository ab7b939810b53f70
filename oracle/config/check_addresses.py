"""Addresses on the network: that their secrets have values, and that a list of servers is not one server under two spellings.

What several endpoints say counts as so many votes, and a list of servers is there so that one may fail. Both are worth
nothing where two entries are one server, which is an error, and little where one provider runs both, which is a note.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import combinations
from types import MappingProxyType
from typing import Any

from feeds.chains.quorum import quorum_of
from feeds.literal_secrets import literal_secrets
from feeds.secret_refs import has_refs, hide, is_ref
from feeds.secret_values import SecretMissing, filled
from oracle.config.sections import Config
from oracle.config.tables.forms import (
    filled_postgres_url,
    filled_signer_url,
    http_url,
    nats_url,
    postgres_url,
    signer_url,
    websocket_url,
)
from oracle.config.tables.providers import LOOPBACK, plain_host, port_of, provider_of, server_of
from oracle.config.tables.schema import Problem
from oracle.model.keys import key_of

_FORMS: Mapping[object, Callable[[str], object]] = MappingProxyType({
    http_url: http_url,
    nats_url: nats_url,
    postgres_url: filled_postgres_url,
    websocket_url: websocket_url,
    signer_url: filled_signer_url,
})  # fmt: skip
"""The forms of keys whose addresses may name secrets, and what they must be once they are filled."""

_TOKEN, _KMS = "pkcs11:", ("kms://", "arn:")
Fill = Callable[[str], str]
"""Puts the values of secrets into an address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredText:
    """An address or a header of the config that may name secrets. ``form``: what it must be once it is filled."""

    where: str
    text: str
    form: Callable[[str], object] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerList:
    """Addresses that stand in for each other. ``agree``: how many of them must say the same; 0: their answers are no votes."""

    where: str
    urls: tuple[str, ...]
    agree: int = 0


def configured_texts(config: Config) -> Iterator[ConfiguredText]:
    """Every address and header of the config that may name a secret."""
    for name, chain in config.chains.items():
        yield from _declared(f"chains.{name}", chain)
    for name, target in config.targets.items():
        yield from _declared(f"targets.{name}", target)
    for operator in config.operators:
        yield from _declared(f"operators.{operator.name}", operator)
    yield from _declared("watch", config.watch)
    yield from _declared("rewards", config.rewards)
    yield from _declared("node", config.node)
    yield from _declared("nats", config.nats)
    yield from _declared("archive", config.archive)
    for name, feed in config.feeds.items():
        for source in () if feed.off else feed.sources:
            yield from _of_source(f'feeds."{name}".sources["{source.name or source.type}"]', source.params)


def _declared(where: str, section: Any) -> Iterator[ConfiguredText]:
    """The addresses of a section, by the forms that its keys declare."""
    for field in fields(section):
        about, value = key_of(field), getattr(section, field.name)
        if about is None or about.form not in _FORMS or value is None:
            continue
        if isinstance(value, str):
            # a PIN is put in as it is, and not percent-encoded: what stands around it was read before
            form = None if value.startswith(_TOKEN) else _FORMS[about.form]
            yield ConfiguredText(where=f"{where}.{field.name}", text=value, form=form)
        else:
            for i, text in enumerate(value):
                yield ConfiguredText(where=f"{where}.{field.name}[{i}]", text=text, form=_FORMS[about.form])


def _of_source(where: str, params: Mapping[str, Any]) -> Iterator[ConfiguredText]:
    url, headers = params.get("url"), params.get("headers")
    if isinstance(url, str):
        yield ConfiguredText(where=f"{where}.url", text=url, form=None)
    for name, value in headers.items() if isinstance(headers, Mapping) else ():
        yield ConfiguredText(where=f"{where}.headers.{name}", text=value, form=None)


def server_lists(config: Config) -> Iterator[ServerList]:
    """Every list of servers of the config."""
    for name, chain in config.chains.items():
        agree = quorum_of(chain.agree, len(chain.endpoints))
        yield ServerList(where=f"chains.{name}.endpoints", urls=chain.endpoints, agree=agree)
        yield ServerList(where=f"chains.{name}.announcers", urls=chain.announcers)
    for name, target in config.targets.items():
        yield ServerList(where=f"targets.{name}.relays", urls=target.relays)
    yield ServerList(where="watch.endpoints", urls=config.watch.endpoints)
    yield ServerList(where="node.operators", urls=config.node.operators)
    yield ServerList(where="archive.operators", urls=config.archive.operators)


# --- errors -----------------------------------------------------------------------------------------------------------


def address_problems(config: Config, environ: Mapping[str, str] | None = None) -> Iterator[Problem]:
    """What is wrong with the addresses once their secrets have their values."""
    yield from secret_problems(config, environ)
    yield from same_server_problems(config, fill_from(environ))


def secret_problems(config: Config, environ: Mapping[str, str] | None = None) -> Iterator[Problem]:
    """Secrets that have no value, and addresses that are none once they are filled. ``environ``: None: the process's own."""
    for each in configured_texts(config):
        if not has_refs(each.text):
            continue
        try:
            whole = filled(each.text, environ).text
        except SecretMissing as e:
            yield Problem(each.where, str(e))
            continue
        try:
            _ = each.form is not None and each.form(whole)
        except ValueError:  # its text is about what stands in the config
            yield Problem(
                each.where,
                f"{hide(each.text, literal_secrets(each.text))} with its secret in it is not an address: look at what the secret holds",
            )


def same_server_problems(config: Config, fill: Fill = str) -> Iterator[Problem]:
    """Entries of a list that are one server, in another spelling or with another key. ``fill``: as they stand, by default."""
    for listed in server_lists(config):
        seen: dict[object, int] = {}
        for place, url in enumerate(map(fill, listed.urls)):
            first = seen.setdefault(_identity(url), place)
            if first != place:
                counted = "one vote would count as two" if listed.agree else "if it fails, both do"
                host = f", {plain_host(url)}" if provider_of(url) is not None else ""
                text = f"is the same server as [{first}]{host}: {counted}; name another provider's, or leave it out"
                yield Problem(f"{listed.where}[{place}]", text)


def _identity(url: str) -> object:
    """What tells a server from others; an address whose host only a secret tells is what stands in the config."""
    return server_of(url) if provider_of(url) is not None else url


# --- notes ------------------------------------------------------------------------------------------------------------


def fill_from(environ: Mapping[str, str] | None) -> Fill:
    """Fills in what has a value; an address whose secret has none stays as it is."""

    def fill(url: str) -> str:
        try:
            return filled(url, environ).text
        except SecretMissing:
            return url

    return fill


def literal_notes(config: Config) -> Iterator[str]:
    """Addresses in which a key or a password stands as it is."""
    for each in configured_texts(config):
        if literal_secrets(each.text):
            yield (
                f"{each.where} holds a key or a password: whoever reads the config has it; write ${{NAME}} in its place and set"
                " that variable, or ${file:/PATH}"
            )


def provider_notes(config: Config, fill: Fill = str) -> Iterator[str]:
    """Lists whose entries look like one provider's, with what that costs."""
    for listed in server_lists(config):
        by_provider: dict[str, list[str]] = {}
        for url in map(fill, listed.urls):
            if (provider := provider_of(url)) is not None:
                by_provider.setdefault(provider, []).append(shown(url))
        for provider, names in by_provider.items():
            if len(names) > 1:
                who = "this machine" if provider == LOOPBACK else f"one provider, {provider}"
                yield f"{listed.where}: {_listed(names)} look like {who}: {_cost(listed, len(names))}"
    yield from _signer_notes(config, fill)


def _cost(listed: ServerList, alike: int) -> str:
    if listed.agree > 1:
        said = f"agree = {listed.agree} counts it {alike} times"
        alone = " and it decides alone" if alike >= listed.agree else ""
        return f"{said}{alone}; name endpoints of other providers"
    return "if it fails, all of them do; name another provider's too"


def _signer_notes(config: Config, fill: Fill) -> Iterator[str]:
    by_signer: dict[str, list[str]] = {}
    for operator in config.operators:
        if operator.signer_url is not None and (provider := _keeper(operator.signer_url, fill)) is not None:
            by_signer.setdefault(provider, []).append(operator.name)
    for provider, names in by_signer.items():
        if len(names) > 1:
            where = "this machine" if provider == LOOPBACK else provider
            yield f"operators {_listed(names)} sign at one place, {where}: whoever runs it has the weight of all of them"


def _keeper(url: str, fill: Fill) -> str | None:
    """Who has a key that is elsewhere; None where nothing tells."""
    if url.startswith(_TOKEN):
        return f"the token of {url.partition(';object')[0].partition(';id')[0]}"
    return "AWS KMS" if url.startswith(_KMS) else provider_of(fill(url))


def shown(url: str) -> str:
    """Host and port of an address: the rest may hold a key."""
    port = port_of(url)
    return f"{plain_host(url)}:{port}" if port is not None else plain_host(url)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def apart_by_name(config: Config, fill: Fill = str) -> Iterator[tuple[ServerList, str, str]]:
    """Pairs of a list's addresses that two providers seem to run, to be looked at on the network; filled."""
    for listed in server_lists(config):
        for one, other in combinations([u for u in map(fill, listed.urls) if not is_ref(u)], 2):
            if len({provider_of(one), provider_of(other), None}) == 3:  # noqa: PLR2004 - both known, and not one
                yield listed, one, other
