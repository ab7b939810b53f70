"""What became of stake, penalties and rewards in a run: from events and balances on chain, and from nothing that a process says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from demo.fleet.fleet import Fleet
from demo.fleet.fleet_config import REWARDS_KEY, WATCH_KEY
from demo.fleet.restaked import FIRST_EPOCH, LIAR, RAISED, restaking_of
from demo.world import npm
from demo.world.restaking import BURNER, CAP_BPS, LEAST_FRACTION
from oracle.sign.keyfiles import stated_address

_BPS = 10_000
_TAKEN = 2
"""Outcome of a case: the contract's number for it."""
_ROUND_AT = slice(6, 10)
"""Of a round's time in the bytes of a batch."""


async def summarise_restaked(fleet: Fleet) -> dict[str, Any]:
    """Stake, sets, the proof and what it cost, rewards; ``problems`` is empty where all came to pass as it must.

    Amounts are texts, in wei or the token's smallest unit.
    """
    facts = _ChainFacts(fleet)
    epochs, stakes = await facts.epochs(), await facts.stakes()
    proof, penalty, rewards = await facts.proof(), await facts.penalty(), await facts.rewards()
    found = {"stake": stakes, "epochs": epochs, "proof": proof, "penalty": penalty, "rewards": rewards}
    return {"restaked": found, "problems": _problems(list(fleet.operators), found)}


def restaked_lines(found: Mapping[str, Any]) -> list[str]:
    """The same in some lines, for people."""
    lines = []
    for epoch in found["epochs"]:
        shares = ", ".join(f"{m['operator']} {m['share_bps'] / 100:.1f} %" for m in epoch["members"])
        lines.append(f"  epoch {epoch['epoch']} by stake: {shares}")
    proof, penalty = found["proof"], found["penalty"]
    if proof:
        late = f"in block {proof['blocks_from_round'] + 1} of those since it began"
        lines.append(
            f"  {proof['operator']} signed two things for round {proof['round']}: {proof['finder']} proved it {late}"
        )
    if penalty:
        lines.append(f"  taken: {penalty['burned']} of the vault's {penalty['vault_before']} (wei of wdivETH)")
    if found["rewards"]:
        lines.append(
            f"  operators agreed on what epoch {found['rewards']['epoch']} owes: {found['rewards']['posted_by']} posted it"
        )
        rows = [f"{who} {row['claimed']}" for who, row in found["rewards"]["claims"].items()]
        lines.append(f"  claimed, in wei of wrapped ether: {', '.join(rows)}")
    return lines


class _ChainFacts:
    """Reads of one fleet's chain."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet, self._chain, self._made = fleet, fleet.chain, restaking_of(fleet)
        people = self._made.vaults.people
        self._operators = {str(one.address): n for one, n in zip(people.operators, fleet.operators, strict=True)}
        shared = self._made.vaults.shared.vault
        self._vault = self._chain.contract(npm.symbiotic("Vault").abi, shared)

    async def epochs(self) -> list[dict[str, Any]]:
        """Each set that stake has made, as it was frozen, and whom it lost afterwards."""
        rows = []
        for frozen in await _events(self._made.set, "SetFrozen"):
            epoch = frozen["args"]["epoch"]
            keys, operators, weights = await self._chain.call(self._made.set, "membersOf", epoch)
            total = sum(weights)
            gone = [e for e in await _events(self._made.set, "RemovedFrom") if e["args"]["epoch"] == epoch]
            rows.append({
                "epoch": epoch,
                "frozen_at": frozen["args"]["capture"],
                "threshold": str(frozen["args"]["threshold"]),
                "members": [
                    {"operator": self._operators[o], "key": k, "weight": str(w), "share_bps": w * _BPS // total}
                    for k, o, w in sorted(zip(keys, operators, weights, strict=True), key=lambda m: self._place(m[1]))
                ],
                "removed": [self._operators[e["args"]["operator"]] for e in gone],
            })  # fmt: skip
        return rows

    def _place(self, operator: str) -> int:
        return list(self._operators).index(operator)

    async def stakes(self) -> list[dict[str, Any]]:
        """Of each operator, what its source says it has when it joined, and now."""
        joined = {e["args"]["operator"]: e["args"]["stake"] for e in await _events(self._made.set, "Joined")}
        source = self._made.vaults.source
        return [
            {"operator": name, "joined_with": str(joined[address]),
             "now": str(await self._chain.call(source, "stakeOf", address))}
            for address, name in self._operators.items() if address in joined
        ]  # fmt: skip

    async def proof(self) -> dict[str, Any] | None:
        """The first one: against whom, by whom, how long after the round that both words are of."""
        proven = await _events(self._made.penalties, "Proven")
        if not proven:
            return None
        said, block = proven[0]["args"], proven[0]["blockNumber"]
        transaction = await self._chain.rpc("eth_getTransactionByHash", _hex(proven[0]["transactionHash"]))
        _, told = self._made.penalties.decode_function_input(transaction["input"])
        round_s = int.from_bytes(told["a"]["batch"][_ROUND_AT], "big")
        provers = {
            stated_address(o.place.folder / WATCH_KEY): n
            for n, o in self._fleet.operators.items() if o.place.proves
        }  # fmt: skip
        return {
            "operator": self._operators[said["operator"]],
            "epoch": said["epoch"],
            "round": round_s,
            "finder": provers.get(said["finder"], said["finder"]),
            "block": block,
            "blocks_from_round": block - await self._first_block(round_s, block),
            "proofs": len(proven),
        }

    async def _first_block(self, time_s: int, block: int) -> int:
        """The first block of a time or later, at most this one."""
        while block > 0 and await self._time_s(block - 1) >= time_s:
            block -= 1
        return block

    async def _time_s(self, block: int) -> int:
        return await self._chain.block_time_s(hex(block))

    async def penalty(self) -> dict[str, Any] | None:
        """What the first case cost, and where that is now."""
        seized = await _events(self._made.penalties, "Seized")
        if not seized:
            return None
        told = seized[0]["args"]
        settled = [e for e in await _events(self._made.penalties, "Settled") if e["args"]["caseId"] == told["caseId"]]
        fraction = {"fraction": str(told["fraction"]), "put_aside": str(told["value"]), "outcome": None}
        if not settled:
            return fraction
        block = settled[0]["blockNumber"]
        before, after = [await self._vault.functions.activeStake().call(block_identifier=n) for n in (block - 1, block)]
        token = self._chain.token(self._fleet.world.wdiv_eth)
        slashed = sum(e["args"]["slashedAmount"] for e in await _events(self._vault, "OnSlash"))
        return {
            **fraction,
            "outcome": settled[0]["args"]["outcome"],
            "value_taken": str(settled[0]["args"]["value"]),
            "vault_before": str(before),
            "vault_after": str(after),
            "slashed": str(slashed),
            "burned": str(await self._chain.call(token, "balanceOf", BURNER)),
        }

    async def rewards(self) -> dict[str, Any] | None:
        """What the first epoch was funded with, what was paid of it, and what an operator and a restaker hold of it."""
        posted = await _events(self._made.rewards, "Posted")
        if not posted:
            return None
        funded = sum(e["args"]["amount"] for e in await _events(self._made.rewards, "Funded"))
        claimed = await _events(self._made.rewards, "Claimed")
        people = self._made.vaults.people
        claims = {}
        for who, holder, name, getter, args in (
            ("operator", people.operators[0].address, "DefaultOperatorRewards", "operatorRewards", ()),
            ("restaker", people.restaker.address, "DefaultStakerRewards", "stakerRewardsOf", (self._vault.address,)),
        ):
            at = await self._chain.call(self._made.vaults.source, getter, *args)
            paying = self._chain.contract(npm.symbiotic(name).abi, at)
            paid = [e["args"]["amount"] for e in await _events(paying, "ClaimRewards")]
            token = self._chain.token(self._fleet.world.weth)
            held = await self._chain.call(token, "balanceOf", holder)
            claims[who] = {"claimed": str(sum(paid)), "holds": str(held)}
        return {
            "epoch": posted[0]["args"]["epoch"],
            "root": _hex(posted[0]["args"]["root"]),
            "posted_by": await self._poster(_hex(posted[0]["transactionHash"])),
            "funded": str(funded),
            "paid_to": [self._operators[e["args"]["operator"]] for e in claimed],
            "paid": str(sum(e["args"]["amount"] for e in claimed)),
            "claims": claims,
        }

    async def _poster(self, tx_hash: str) -> str:
        """The operator whose key for reports has paid for a transaction; else the address that has."""
        sender = str((await self._chain.rpc("eth_getTransactionByHash", tx_hash))["from"])
        posters = {
            str(stated_address(o.place.folder / REWARDS_KEY)).lower(): n
            for n, o in self._fleet.operators.items() if o.place.posts
        }  # fmt: skip
        return posters.get(sender.lower(), sender)


def _problems(names: Sequence[str], found: Mapping[str, Any]) -> list[str]:
    """What did not come to pass as it must."""
    told = [
        *_of_sets(found["epochs"], names[LIAR], names[RAISED]),
        *_of_proof(found["proof"], names[LIAR]),
        *_of_penalty(found["penalty"]),
        *_of_rewards(found["rewards"]),
    ]
    return [f"stake: {what}" for what, wrong in told if wrong]


_Checked = list[tuple[str, bool]]


def _of_sets(epochs: Sequence[Mapping[str, Any]], liar: str, raised: str) -> _Checked:
    if len(epochs) < FIRST_EPOCH:
        return [(f"{len(epochs)} sets were made of it, two must be", True)]
    before, after = [{m["operator"]: m for m in e["members"]} for e in epochs[:2]]
    rise = int(after[raised]["weight"]) - int(before[raised]["weight"]) if raised in before and raised in after else 0
    most = max(m["share_bps"] for m in after.values())
    return [
        (f"{liar} is not in the first set, or is in the second", liar not in before or liar in after),
        (f"{liar} was not cut from the first set", liar not in epochs[0]["removed"]),
        (f"{raised} weighs no more for its deposit", rise <= 0),
        (f"a share of {most} bps is above the cap", most > CAP_BPS),
    ]


def _of_proof(proof: Mapping[str, Any] | None, liar: str) -> _Checked:
    if proof is None:
        return [("nothing was proven", True)]
    return [
        (f"{proof['operator']} was proven guilty, {liar} lied", proof["operator"] != liar),
        (f"{proof['finder']} proved it, no operator's watch", proof["finder"].startswith("0x")),
    ]


def _of_penalty(penalty: Mapping[str, Any] | None) -> _Checked:
    if penalty is None or penalty["outcome"] != _TAKEN:
        return [("nothing was taken", True)]
    fell = int(penalty["vault_before"]) - int(penalty["vault_after"])
    return [
        (f"a fraction of {penalty['fraction']} was due", int(penalty["fraction"]) != LEAST_FRACTION),
        (f"the vault fell by {fell}, {penalty['burned']} are burned", not 0 < fell == int(penalty["burned"])),
    ]


def _of_rewards(rewards: Mapping[str, Any] | None) -> _Checked:
    if rewards is None:
        return [("no report was posted", True)]
    told: _Checked = [
        ("more was paid than was there", int(rewards["paid"]) > int(rewards["funded"])),
        (f"{rewards['posted_by']} posted the report, no operator", rewards["posted_by"].startswith("0x")),
    ]
    for who, row in rewards["claims"].items():
        told.append((f"the {who} was not paid what it claimed", not 0 < int(row["claimed"]) == int(row["holds"])))
    return told


async def _events(contract: Any, name: str) -> list[Any]:
    return list(await contract.events[name].get_logs(from_block=0))


def _hex(raw: bytes) -> str:
    return "0x" + bytes(raw).hex()
