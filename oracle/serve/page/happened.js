/* What happened to the chosen feed: the last changes of its status, and what was pushed of it, with gas and why. */

import { $, ago, cell, el, emptyRow, row, show } from "./dom.js";
import { feedAt } from "./targets.js";
import { age, counted, moment, short } from "./words.js";

const BAD = new Set(["reverted", "refused", "expired", "not_sent"]);
const SAID = { not_sent: "not sent", landed: "landed", overtaken: "overtaken", prepared: "prepared", sent: "sent" };
const MOST = 12;

export function forgetHappened() {
  show($("incident-rows"), [emptyRow("asking", 3)]);
  show($("push-rows"), [emptyRow("asking", 5)]);
  show($("at-rows"), []);
}

// --- changes of status -----------------------------------------------------------------------------------------------

export function drawChanges(said, why, price) {
  if (!said) return show($("incident-rows"), [emptyRow(`This could not be read: ${why}`, 3)]);
  const changes = said.changes.slice(0, MOST);
  const rows = changes.map((c, i) => changeRow(c, i === 0 ? null : changes[i - 1].at_ms));
  const calm = price ? `No change of its status is stored: ${price.status} all along.` : "No change of its status is stored.";
  show($("incident-rows"), rows.length ? rows : [emptyRow(calm, 3)]);
}

function changeRow(c, untilMs) {
  const states = cell("Change", null, "states");
  states.append(el("span", c.before, `chip ${c.before}`), " to ", el("span", c.after, `chip ${c.after}`));
  if (untilMs === null) { const since = el("small", "for "); since.append(ago(c.at_ms)); states.append(since); }
  else states.append(el("small", `for ${age(untilMs - c.at_ms)}`));
  const why = cell("Why", c.reasons.map((r) => r.text).join("; ") || "nothing speaks against it", c.reasons.length ? "said" : "said faint");
  return row(moment(c.at_ms), [states, why]);
}

// --- pushes ----------------------------------------------------------------------------------------------------------

export function drawPushes(said, why, price) {
  if (!said) return show($("push-rows"), [emptyRow(`This could not be read: ${why}`, 5)]);
  const none = price?.legs.length ? "A cross is not pushed: the store computes it from its legs." : "Nothing of it was pushed from here yet.";
  const rows = said.pushes.slice(0, MOST).map(pushRow);
  show($("push-rows"), rows.length ? rows : [emptyRow(none, 5)]);
}

function pushRow(p) {
  const state = cell("State", null, "said");
  state.append(el("span", SAID[p.state] ?? p.state, BAD.has(p.state) ? "loud" : ""));
  if (p.landed_at_ms !== null) state.append(el("small", `after ${age(Math.max(0, p.landed_at_ms - p.at_ms))}${p.block ? `, block ${p.block}` : ""}`));
  if (p.note) state.append(el("small", p.note, "loud"));
  const gas = cell("Gas", p.gas_used === null ? "none" : p.gas_used.toLocaleString("en"), p.gas_used === null ? "num faint" : "num");
  if (p.gas_used !== null && p.feeds > 1) gas.append(el("small", `for ${counted(p.feeds, "feed")}`));
  const why = cell("Why", p.why || "not said", p.why ? "said" : "said faint");
  if (p.tx_hash) {
    const tx = el("small", `${p.tx_hash.slice(0, 10)}…${p.tx_hash.slice(-6)}`, "hash");
    tx.title = p.tx_hash;
    why.append(tx);
  }
  return row([moment(p.at_ms), el("small", p.target)], [cell("Price", short(p.price), p.price === null ? "num faint" : "num", p.price), state, gas, why]);
}

// --- where it stands on each chain -----------------------------------------------------------------------------------

export function drawOnchain(feed, price) {
  const held = new Map((price?.onchain ?? []).map((o) => [o.target, o]));
  const rows = [...held.values()].map((o) => atRow(o, feedAt(feed).find((f) => f.target === o.target)));
  for (const target of price?.onchain_missing ?? []) rows.push(row(target, [cell("Price", "none", "num faint"), cell("Age", "none", "num faint"), cell("State", "the store should hold it and is not known to", "said loud")]));
  show($("at-rows"), rows.length ? rows : [emptyRow("It is on no chain yet: no target, or nothing that landed.", 4)]);
}

function atRow(o, at) {
  const old = cell("Age", null, o.late ? "num loud" : "num");
  old.append(ago(o.round * 1000));
  const state = cell("State", null, "said");
  state.append(el("span", o.late ? "late" : "in time", o.late ? "loud" : ""));
  if (at) state.append(el("small", `heartbeat ${at.heartbeat_s} s${at.pushesLeft === null ? "" : `, gas for ${at.pushesLeft.toLocaleString("en")} pushes`}`));
  if (at?.held) state.append(el("small", `due and held: ${at.held}`, "mild"));
  if (o.announced_by) state.append(el("small", `pushed by ${o.announced_by}`));
  return row(o.target, [cell("Price", short(o.price), "num", o.price), old, state]);
}

/** What the store held over time, for the chart: [Unix seconds, price], ascending; of the first target. */
export function heldOver(pushes, price) {
  const first = price?.onchain[0];
  const target = first?.target ?? pushes?.[0]?.target;
  const landed = (pushes ?? []).filter((p) => p.target === target && p.state === "landed" && p.landed_at_ms !== null && p.price !== null);
  const points = landed.map((p) => [p.landed_at_ms / 1000, Number(p.price)]);
  if (first) points.push([first.landed_at_ms === null ? first.round : first.landed_at_ms / 1000, Number(first.price)]);
  return points.sort((a, b) => a[0] - b[0]);
}
