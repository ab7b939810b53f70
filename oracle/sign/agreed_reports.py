"""Agree: the median of verified values, once for each round and set of values, whoever asks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

from oracle.model.types import Report
from oracle.report.wire import encode_item
from oracle.sign.median_report import median_report
from oracle.sign.messages import SignerSet
from oracle.sign.verified_values import VerifiedValues


def agreed_reports(values: Sequence[VerifiedValues], signers: SignerSet) -> Mapping[int, Report]:
    """The agreed report of each feed (by index) on which the threshold's weight has values of one kind.

    Kept by content: rounds, the leader and every cosigner get the same answer without computing it again.
    """
    return _agreed(_by_address(values), signers)


def agreed_items(values: Sequence[VerifiedValues], signers: SignerSet) -> Mapping[int, bytes]:
    """The same in bytes, as they go under a signature."""
    return _encoded(_by_address(values), signers)


def median_reports(reports: Mapping[bytes, Mapping[int, Report]], signers: SignerSet) -> dict[int, Report]:
    """What `agreed_reports` computes, of the reports that each signer (by address) has of each feed (by index)."""
    by_feed: dict[int, dict[bytes, Report]] = {}
    for address in sorted(reports):
        for index, own in reports[address].items():
            by_feed.setdefault(index, {})[address] = own
    agreed: dict[int, Report] = {}
    for index, by_signer in sorted(by_feed.items()):
        weights = [signers.weight_of((address,)) for address in by_signer]
        report = median_report(tuple(by_signer.values()), weights, signers.threshold) if sum(weights) else None
        if report is not None:
            agreed[index] = report
    return agreed


def _by_address(values: Sequence[VerifiedValues]) -> tuple[VerifiedValues, ...]:
    return tuple(sorted(values, key=lambda v: v.address))


@lru_cache(maxsize=64)
def _agreed(values: tuple[VerifiedValues, ...], signers: SignerSet) -> Mapping[int, Report]:
    return MappingProxyType(median_reports({v.address: v.reports for v in values}, signers))


@lru_cache(maxsize=64)
def _encoded(values: tuple[VerifiedValues, ...], signers: SignerSet) -> Mapping[int, bytes]:
    reports = _agreed(values, signers)
    return MappingProxyType({index: encode_item(index, report) for index, report in reports.items()})
