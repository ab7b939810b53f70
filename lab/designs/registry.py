"""Every design by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lab.designs.api3 import Api3Design
from lab.designs.base import MakeDesign
from lab.designs.chainlink_median import ChainlinkMedian
from lab.designs.chronicle import ChronicleDesign
from lab.designs.connect import Connect
from lab.designs.curve_ema import CurveEmaDesign
from lab.designs.dia_mair import DiaMair
from lab.designs.flare import Flare
from lab.designs.naive_spot import NaiveSpot
from lab.designs.pyth import PythDesign
from lab.designs.redstone import RedStone
from lab.designs.tellor import Tellor

DESIGNS: Mapping[str, MakeDesign] = MappingProxyType({
    "dia-mair": DiaMair,
    "redstone": RedStone,
    "chainlink-median": ChainlinkMedian,
    "pyth": PythDesign,
    "chronicle": ChronicleDesign,
    "api3": Api3Design,
    "tellor": Tellor,
    "flare": Flare,
    "connect": Connect,
    "curve-ema": CurveEmaDesign,
    "naive-spot": NaiveSpot,
})  # fmt: skip
