"""What the stores say of this operator: in the set or not, weight, epoch, whether the others can sign without it, gas for how long."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import aiohttp

from feeds.chains.jsonrpc import quantity
from feeds.errors import FeedError
from feeds.units import WAD
from oracle.chain.next_signers import read_next_set
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.store_client import StoreClient
from oracle.check.push_ready import wants_to_push
from oracle.check.running_costs import MONTH_S, PushesSeen, gas_cost, pushes_seen
from oracle.config.check_keys import payer_address, report_key
from oracle.config.resolve import ResolvedConfig
from oracle.config.sections import Config
from oracle.config.tables.forms import raw_address
from oracle.doctor.findings import HealthFinding, critical, info, ok, warning
from oracle.sign.eip712 import Domain
from oracle.sign.messages import SignerSet

_DAY_S = 86_400
_USUAL_GAS = 200_000
_SHORT_DAYS, _WEEK_DAYS = 2, 7


async def seat_findings(resolved: ResolvedConfig, *, gas: bool) -> list[HealthFinding]:
    """Of every target: the seats of this config's operators, or with ``gas`` how long its gas key can pay."""
    found: list[HealthFinding] = []
    for name, target in resolved.config.targets.items():
        chain = resolved.config.chains[target.chain]
        domain = Domain(chain_id=chain.chain_id, store=raw_address(target.store))
        client = StoreClient(chain.endpoints, domain, None, max_fee_gwei=0)
        try:
            if gas:
                found += await _gas(resolved, name, client)
            else:
                present = await client.connect()
                coming = await read_next_set(client, (await client.head()).number)
                found += set_findings(resolved.config, name, present, None if coming is None else coming.signers)
        except (ChainError, FeedError, aiohttp.ClientError, OSError) as e:
            advice = f"look at the endpoints of chains.{target.chain}, and at targets.{name}.store"
            found.append(critical("gas" if gas else "store", f"target {name} cannot be read: {e}", advice))
        finally:
            await client.close()
    return found


def set_findings(config: Config, target: str, present: SignerSet, coming: SignerSet | None) -> Iterator[HealthFinding]:
    """The operators of a config in a store's set. Pure."""
    total = sum(present.weights)
    for operator in config.operators:
        key = report_key(operator)
        if key is None:
            yield info("store", f"operator {operator.name}: its key is not known without its passphrase")
            continue
        weight = present.weight_of((bytes.fromhex(key),))
        whose = f"target {target}: operator {operator.name} (0x{key})"
        if not weight and (coming is None or not coming.weight_of((bytes.fromhex(key),))):
            advice = (
                "have the owner add it, or opt in where stake decides (docs/restaking.md), or use a key that is there"
            )
            yield critical("store", f"{whose} is not in the signer set of epoch {present.epoch}", advice)
            continue
        if not weight:
            yield info("store", f"{whose} signs from epoch {coming.epoch if coming else 0} on")
            continue
        text = f"{whose} has weight {weight} of {total} in epoch {present.epoch}, T is {present.threshold}"
        if total - weight < present.threshold:
            yield warning(
                "store", f"{text}: nothing is signed without it",
                "keep it up at any time, and have the owner add signers so that the others reach T",
            )  # fmt: skip
        else:
            yield ok("store", f"{text}; the others reach T without it")
        if coming is not None and not coming.weight_of((bytes.fromhex(key),)):
            advice = "ask the owner, or look at `lrt-oracle stake status` where stake decides"
            yield warning("store", f"{whose} is not in the set that comes, epoch {coming.epoch}", advice)


async def _gas(resolved: ResolvedConfig, name: str, client: StoreClient) -> list[HealthFinding]:
    target = resolved.config.targets[name]
    payer = payer_address(target)
    if not wants_to_push(target) or payer is None:
        return [info("gas", f"target {name}: no gas key, or its address is not known: nothing is sent from here")]
    wei = await client.nodes.highest_reached("eth_getBalance", f"0x{payer}", "latest", read=quantity)
    seen = await pushes_seen(client.nodes, client.domain.store)
    heartbeat_s = min((resolved.specs[f].heartbeat_s for f in resolved.pushed), default=_DAY_S)
    return [gas_finding(name, payer, wei, seen, heartbeat_s)]


def gas_finding(name: str, payer: str, wei: int, seen: PushesSeen, heartbeat_s: int) -> HealthFinding:
    """For how many days a gas key pays at the rate of now; where nothing was pushed, as often as the heartbeat asks. Pure."""
    wei_month = int(gas_cost(seen, pays=True, payer=payer)["wei_month"])
    if not wei_month:
        wei_month = MONTH_S // max(1, heartbeat_s) * (seen.gas or _USUAL_GAS) * seen.price_wei
    days = Fraction(wei * MONTH_S, wei_month * _DAY_S) if wei_month else None
    text = f"target {name}: 0x{payer} has {float(Fraction(wei, WAD)):.6f} ether"
    text += "" if days is None else f", enough for {float(days):.1f} days at the present rate"
    advice = f"send ether to 0x{payer}: {float(Fraction(wei_month, WAD)):.6f} are a month"
    if not wei or (days is not None and days < _SHORT_DAYS):
        return critical("gas", text, advice)
    return warning("gas", text, advice) if days is not None and days < _WEEK_DAYS else ok("gas", text)
