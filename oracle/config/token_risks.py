"""The catalogue's facts of one token as answers to what a lender asks. Pure. What nobody published is unknown, never a no."""

from __future__ import annotations

from collections.abc import Iterator

from feeds.catalog.rate_graph import OpenGraph
from feeds.catalog.records import Form, RateSource, Redemption, Token
from feeds.catalog.risk_facts import WayOut, WithdrawalTerms
from oracle.config.tables.catalog import Catalog
from oracle.model.risk import RiskCode, RiskFact, TokenProfile

_ABOUT_TOKENS = (
    RiskCode.RATE_MOVABLE_BY_TRANSFER, RiskCode.RATE_STORED, RiskCode.REBASING, RiskCode.PAUSABLE, RiskCode.WITHDRAWAL_WAITS,
    RiskCode.REDEMPTION_CLOSED, RiskCode.PAR_ASSUMED, RiskCode.RATE_UNCONFIRMED, RiskCode.TOKEN_DOUBTFUL,
)  # fmt: skip


def token_facts(catalog: Catalog, symbol: str) -> tuple[RiskFact, ...]:
    """Every answer about a token; all of them unknown where the catalogue does not have it."""
    token = catalog.tokens.get(symbol)
    if token is None:
        text = f"not known: {symbol} is not a token of the catalogue; describe it in a [[token]] block"
        return tuple(RiskFact(code=c, of=symbol, raised=None, text=text) for c in _ABOUT_TOKENS)
    return (
        _donation(token),
        _stored(token),
        _rebasing(token),
        _pausable(token),
        _withdrawal(token),
        _redemption(token),
        _par(catalog, token),
        _unconfirmed(token),
        _doubtful(token),
    )


def token_profile(token: Token) -> TokenProfile:
    """A token's words and numbers."""
    way = token.withdrawal
    return TokenProfile(
        token=token.symbol,
        kind=token.kind,
        protocol=token.protocol,
        underlying=token.underlying,
        form=token.form.value if token.form else None,
        rate_kept=token.rate_kept.value if token.rate_kept else None,
        rate_moves=token.cadence,
        redemption=token.redemption.value,
        way_out=way.way.value if way else None,
        least_days=way.least_days if way else None,
        most_days=way.most_days if way else None,
        delay_settable=way.settable if way else None,
        rate_readings=len(token.second) + (token.rate is not None and token.rate.par is None),
        growth_cap_percent=token.cap_percent,
        usual_bps=token.normal_bps,
        usual_on=token.normal_on,
        testnet=token.testnet,
        note=token.note,
        source=token.source,
    )


def _donation(token: Token) -> RiskFact:
    fact, symbol = token.donation, token.symbol
    if fact is None:
        return _unknown(RiskCode.RATE_MOVABLE_BY_TRANSFER, token, "whether a transfer can move its rate")
    text = f"a transfer can move the rate of {symbol}" if fact.movable else f"no transfer moves the rate of {symbol}"
    return _fact(RiskCode.RATE_MOVABLE_BY_TRANSFER, token, fact.movable, _with_why(text, fact.why), fact.source)


def _stored(token: Token) -> RiskFact:
    if token.rate_kept is None:
        return _unknown(RiskCode.RATE_STORED, token, "whether its rate is stored or computed")
    stored = token.rate_kept is RateSource.STORED
    text = f"the rate of {token.symbol} is " + ("a number that somebody stores" if stored else "computed at every call")
    return _fact(RiskCode.RATE_STORED, token, stored, _with_why(text, token.cadence), _rate_source(token))


def _rebasing(token: Token) -> RiskFact:
    if token.form is None:
        return _unknown(RiskCode.REBASING, token, "whether its balances change by themselves")
    rebasing = token.form is Form.REBASING
    text = "balances change by themselves" if rebasing else "balances stay and a share is worth more"
    return _fact(RiskCode.REBASING, token, rebasing, f"{token.symbol}: {text}", token.source)


def _pausable(token: Token) -> RiskFact:
    fact = token.pausable
    if fact is None:
        return _unknown(RiskCode.PAUSABLE, token, "whether somebody can stop its contracts")
    if not fact.possible:
        return _fact(RiskCode.PAUSABLE, token, raised=False, text=f"nobody can stop {token.symbol}", source=fact.source)
    text = f"{token.symbol} can be stopped ({fact.what or 'what of it was not published'}) by {fact.by or 'whom was not published'}"
    return _fact(RiskCode.PAUSABLE, token, raised=True, text=text, source=fact.source)


def _withdrawal(token: Token) -> RiskFact:
    fact = token.withdrawal
    if fact is None:
        return _unknown(RiskCode.WITHDRAWAL_WAITS, token, "how long a redemption takes")
    text = f"{token.symbol} is redeemed {_way(fact)}"
    return _fact(
        RiskCode.WITHDRAWAL_WAITS, token, fact.way is not WayOut.INSTANT, _with_why(text, fact.why), fact.source
    )


def _way(fact: WithdrawalTerms) -> str:
    if fact.way is WayOut.INSTANT:
        return "at once"
    least, most = fact.least_days, fact.most_days
    days = f" of {least} to {most} days" if least and most else f" of at least {least} days" if least else ""
    days = f" of at most {most} days" if most and not least else days
    how = "in a queue" if fact.way is WayOut.QUEUE else f"after a delay{days}"
    how += days if fact.way is WayOut.QUEUE and days else ""
    return f"{how}, which can be changed" if fact.settable else how


def _redemption(token: Token) -> RiskFact:
    number = len(token.open)
    who = "one contract says" if number == 1 else f"{number} contracts say"
    says = f"; {who} at each block whether redemption is open" if number else ""
    if token.redemption is Redemption.UNKNOWN:
        return _unknown(RiskCode.REDEMPTION_CLOSED, token, f"whether every holder may redeem{says}")
    closed = token.redemption is Redemption.CLOSED
    text = f"holders {'cannot' if closed else 'can'} redeem {token.symbol} through the protocol's own contracts{says}"
    return _fact(RiskCode.REDEMPTION_CLOSED, token, closed, text, token.source)


def _par(catalog: Catalog, token: Token) -> RiskFact:
    try:
        steps = catalog.graph.path(token.symbol)
    except OpenGraph as e:
        return _unknown(RiskCode.PAR_ASSUMED, token, str(e))
    soft = [s for s in steps if s.rate.par is not None and s.rate.soft]
    if not soft:
        text = f"nothing on the way from {token.symbol} to ETH is taken as one to one that the market trades apart"
        return _fact(RiskCode.PAR_ASSUMED, token, raised=False, text=text, source=_rate_source(token))
    text = "; ".join(f"one {s.base} is taken as one {s.quote}: {s.rate.par}" for s in soft)
    return _fact(RiskCode.PAR_ASSUMED, token, raised=True, text=text, source=_sources_of(catalog, soft[0].base, token))


def _unconfirmed(token: Token) -> RiskFact:
    parts = (token.rate, *token.second, *token.open, token.backing, *token.rail)
    doubts = [p.unconfirmed for p in parts if p is not None and p.unconfirmed]
    if token.rate is None:
        return _unknown(RiskCode.RATE_UNCONFIRMED, token, "any contract that states its rate")
    text = "; ".join(doubts) if doubts else f"nothing of how {token.symbol} is read is marked as unconfirmed"
    return _fact(RiskCode.RATE_UNCONFIRMED, token, bool(doubts), text, _rate_source(token))


def _doubtful(token: Token) -> RiskFact:
    why = token.end or token.doubtful
    text = (
        f"{token.symbol} {token.end}" if token.end else token.doubtful or f"the catalogue has no end of {token.symbol}"
    )
    return _fact(RiskCode.TOKEN_DOUBTFUL, token, bool(why), text, token.dead_source or (token.source if why else ()))


def _rate_source(token: Token) -> tuple[str, ...]:
    return token.rate.source if token.rate is not None and token.rate.source else token.source


def _sources_of(catalog: Catalog, symbol: str, otherwise: Token) -> tuple[str, ...]:
    known = catalog.tokens.get(symbol)
    return known.source if known is not None else otherwise.source


def _with_why(text: str, why: str | None) -> str:
    return text if why is None else f"{text}: {why}"


def _fact(code: RiskCode, token: Token, raised: bool, text: str, source: tuple[str, ...]) -> RiskFact:
    return RiskFact(code=code, of=token.symbol, raised=raised, text=text, source=source)


def _unknown(code: RiskCode, token: Token, what: str) -> RiskFact:
    return RiskFact(code=code, of=token.symbol, raised=None, text=f"not known of {token.symbol}: {what}")


def unique(facts: Iterator[RiskFact]) -> tuple[RiskFact, ...]:
    """Each answer once: the legs of a product may share a token."""
    return tuple({(f.code, f.of): f for f in facts}.values())
