"""The operators of a store as this process sees them: how each is reached, what it did in the last hour, what is wrong here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from oracle.model.agreement_bounds import bounds_text, is_too_low
from oracle.network.agreements import Agreements
from oracle.network.mesh.limits import OFFSET_WARN_MS
from oracle.network.mesh.link_status import LinkPath, LinkStatus
from oracle.network.operator_network import OperatorNetwork
from oracle.network.reach import announced_by, misplaced
from oracle.network.tally import MemberHour, StoreHour, Tally
from oracle.sign.announcement import Announcement
from oracle.sign.operator import Operator

HERE, UNKNOWN = "here", "unknown"
PATHS = (HERE, *(p.value for p in LinkPath), UNKNOWN)
_MISSED = 2
"""So many sealed rounds in a row without its own signature, or with a feed that it does not vouch for, are no accident."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRow:
    """One operator.

    Attributes:
        address: of its report key.
        name: in the config, else its address as 0x-hex.
        is_here: it signs in this process.
        weight: in the set of the newest round; None before the first; 0 for one that is no member now.
        path: one of PATHS. ``unknown``: no process was asked.
        link: as the mesh knows it; None for one that is here, or where there is no mesh.
        urls: that it announces.
        versions: of the agreement, that it announces.
        build: of its software.
        hour: what it did.
        why: what is missing of it now; "" for nothing.
        refused: payloads of it that counted for nothing since the start, and why the last one did.
    """

    address: bytes
    name: str
    is_here: bool
    weight: int | None
    path: str
    link: LinkStatus | None = None
    urls: tuple[str, ...] = ()
    versions: tuple[int, ...] = ()
    build: str = ""
    hour: MemberHour = field(default_factory=MemberHour)
    why: str = ""
    refused: tuple[int, str] = (0, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorsView:
    """All operators of a store.

    Attributes:
        target: name of the store.
        hour: its rounds.
        rows: its operators: those of this process first.
        clock_offset_ms: how far the others' clocks are ahead of ours, the weighted median; None where that is not known.
        warnings: what is wrong with the operators of this process, a sentence each, the worst first.
        totals: since the start: rounds "sealed" and "lost", "attempts".
        running: a running process says it; else it is what a database knows.
    """

    target: str
    hour: StoreHour
    rows: tuple[OperatorRow, ...]
    clock_offset_ms: int | None = None
    warnings: tuple[str, ...] = ()
    totals: Mapping[str, int] = field(default_factory=dict)
    running: bool = True


class OperatorWatch:
    """Looks at the operators of the home store.

    Args:
        tally: of the rounds.
        target: name of the home store.
        operators: of this process.
        agreements: what members on other terms say of themselves.
        network: None where all are in this process.
        unable: why an operator of this process may not sign now; "" where it may.
        build: of this software.
        keyless: names of the config's operators that have no key here.
    """

    def __init__(
        self,
        tally: Tally,
        target: str,
        operators: Sequence[Operator],
        agreements: Agreements,
        network: OperatorNetwork | None,
        *,
        unable: Callable[[Operator], str],
        build: str,
        keyless: Sequence[str] = (),
    ) -> None:
        self._tally, self._target, self._operators = tally, target, tuple(operators)
        self._agreements, self._network, self._unable, self._build = agreements, network, unable, build
        self._keyless = tuple(keyless)

    def view(self) -> OperatorsView:
        """As everything is now."""
        hour = self._tally.hour(self._target)
        own = {o.address: o for o in self._operators}
        links = self._network.links() if self._network is not None else {}
        weights = _weights(hour)
        addresses = list(dict.fromkeys([*own, *weights, *links]))
        rows = tuple(self._row(a, own.get(a), links.get(a), hour, weights) for a in addresses)
        offset_ms = self._network.clock_offset_ms() if self._network is not None else None
        view = OperatorsView(
            target=self._target,
            hour=hour,
            rows=rows,
            clock_offset_ms=offset_ms,
            totals=dict(self._tally.totals.get(self._target, Counter())),
        )
        bounds = bound_faults(view) if self._network is not None else []
        return _with_warnings(view, (*self._own_faults(), *self._place_faults(), *self._terms_faults(view), *bounds))

    def _row(
        self,
        address: bytes,
        own: Operator | None,
        link: LinkStatus | None,
        hour: StoreHour,
        weights: Mapping[bytes, int],
    ) -> OperatorRow:
        did = hour.members.get(address, MemberHour())
        why = (self._unable(own) if own is not None else "") or did.why or _unreached(link)
        network = self._network
        announced = announced_by(network, address) if network is not None else None
        known = self._tally.names.get(address)
        name = own.name if own is not None else known or (link.name if link is not None else f"0x{address.hex()}")
        return OperatorRow(
            address=address,
            name=name,
            is_here=own is not None,
            weight=weights.get(address, 0) if weights else None,
            path=HERE if own is not None else link.path.value if link is not None else LinkPath.NONE.value,
            link=link,
            urls=self._urls(own, announced),
            versions=(self._agreements.rules.version,)
            if own is not None
            else link.versions
            if link is not None
            else (),
            build=self._build if own is not None else link.build if link is not None else "",
            hour=did,
            why=why,
            refused=network.refused.get(address, (0, "")) if network is not None else (0, ""),
        )

    def _urls(self, own: Operator | None, announced: Announcement | None) -> tuple[str, ...]:
        if own is not None and self._network is not None:
            return self._network.place.urls
        return announced.urls if announced is not None else ()

    def _own_faults(self) -> list[str]:
        """Operators here that have no key, or may not sign."""
        unable = [f"operator {o.name} signs nothing: {why}" for o in self._operators if (why := self._unable(o))]
        return [*map(without_key, self._keyless), *unable]

    def _place_faults(self) -> list[str]:
        if self._network is None:
            return []
        return [text for o in self._operators for text in misplaced(self._network, o.address)]

    def _terms_faults(self, view: OperatorsView) -> list[str]:
        """Whether members of weight T are on terms other than ours, and agree among themselves."""
        newest = view.hour.newest
        if newest is None:
            return []
        weights, by_terms = _weights(view.hour), dict[tuple[int, bytes], int]()
        for address, terms in self._agreements.inbox.strangers.items():
            if newest.parts and address in newest.parts and newest.parts[address].values_ms is None:
                by_terms[terms] = by_terms.get(terms, 0) + weights.get(address, 0)
        total = sum(weights.values())
        for (version, rules), weight in by_terms.items():
            ours = self._agreements.rules
            if weight < newest.signers.threshold and 2 * weight <= total:
                continue
            if version != ours.version:
                text = (
                    f"they speak version {version} of the protocol, this operator {ours.version}: install their version"
                )
            elif rules != ours.digest:
                text = (
                    "they go by other rules or feeds than this operator: compare `lrt-oracle check` with one of theirs"
                )
            else:
                text = "they know another signer set or feed list of the store than this operator: look at its RPC endpoints"
            return [f"members of weight {weight} of {total} are on other terms: {text}"]
        return []


def without_key(operator: str) -> str:
    """What is told of an operator of the config whose key is not open here."""
    return (
        f"operator {operator} has no key here: it signs nothing until the process is started with its passphrase"
        " (operators.*.passphrase_env)"
    )


def link_faults(view: OperatorsView) -> list[str]:
    """What is wrong with how this process is linked, and with its clock."""
    others = [r for r in view.rows if not r.is_here and r.link is not None]
    if not others:
        return []
    paths = Counter(r.path for r in others)
    if paths[LinkPath.NONE.value] == len(others):
        errors = next((r.link.last_error for r in others if r.link is not None and r.link.last_error), "")
        last = f"; the last try: {errors}" if errors else ""
        return [f"linked to none of {len(others)} other operators: try `lrt-oracle peers`{last}"]
    faults = []
    if not paths[LinkPath.DIRECT.value] and not paths[LinkPath.INBOUND.value]:
        carriers = sorted({v for r in others for v in (r.link.via if r.link is not None else ())})
        faults.append(
            f"nobody has dialled this operator and it has dialled nobody: all it says is carried by {', '.join(carriers)}"
        )
    if view.clock_offset_ms is not None and abs(view.clock_offset_ms) > OFFSET_WARN_MS:
        side = "behind" if view.clock_offset_ms > 0 else "ahead of"
        faults.append(
            f"this machine's clock is {abs(view.clock_offset_ms)} ms {side} the other operators' (their weighted median)"
        )
    return faults


def round_faults(view: OperatorsView) -> list[str]:
    """Operators of this process that are missing while others seal, and rounds that came to nothing."""
    faults = [
        f"operator {r.name} is missing: the last {r.hour.run} sealed rounds lack its signature"
        f"{f' ({r.hour.reasons[0].text})' if r.hour.reasons and r.hour.reasons[0].text else ''}"
        for r in view.rows
        if r.is_here and r.hour.run >= _MISSED
    ]
    faults += [
        f"operator {r.name} does not vouch for what the others sealed in the last {r.hour.apart_run} rounds"
        f" ({r.hour.apart[0].text}): its sources or endpoints tell it something else than the others' tell them; compare"
        " `lrt-oracle explain FEED` with one of theirs"
        for r in view.rows
        if r.is_here and r.hour.apart_run >= _MISSED
    ]
    newest = view.hour.newest
    if newest is not None and newest.watched and not newest.sealed:
        faults.append(f"round {newest.round_time_s} was not sealed: {newest.why}")
    return faults


def bound_faults(view: OperatorsView) -> list[str]:
    """A threshold with which operators that are independent of each other may fail to agree."""
    weights = _weights(view.hour)
    if view.hour.newest is None or not is_too_low(
        sum(weights.values()), view.hour.newest.signers.threshold, len(weights)
    ):
        return []
    text = bounds_text(sum(weights.values()), view.hour.newest.signers.threshold)
    return [f"the store's threshold is too low for independent operators: {text}; its owner can raise it (setSigners)"]


def _with_warnings(view: OperatorsView, own: Sequence[str]) -> OperatorsView:
    return replace(view, warnings=(*own, *round_faults(view), *link_faults(view)))


def _weights(hour: StoreHour) -> dict[bytes, int]:
    return {} if hour.newest is None else hour.newest.signers.members


def _unreached(link: LinkStatus | None) -> str:
    if link is None or link.path is not LinkPath.NONE:
        return ""
    return f"not connected{': ' + link.last_error if link.last_error else ''}"


def labels(rows: Sequence[OperatorRow]) -> dict[bytes, str]:
    """A label for each operator: its name; where two have the same one, with its address."""
    counts = Counter(r.name for r in rows)
    return {r.address: r.name if counts[r.name] == 1 else f"{r.name} 0x{r.address.hex()}" for r in rows}
