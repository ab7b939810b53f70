/* The operators of the home store: /v1/operators as a table, ours first. Text of others stays text. */

import { $, cell, el, show } from "./dom.js";
import { drawStake, weightOf } from "./stake.js";

const share = (bps) => (bps === null ? "none" : `${(bps / 100).toFixed(1)} %`);
const roundsIn = (n) => `${n} ${n === 1 ? "round" : "rounds"}`;
const low = (bps) => (bps !== null && bps < 9900 ? "num loud" : "num");

function pathCell(o) {
  const words = { here: "here", direct: "direct", inbound: "inbound", none: "not reached", unknown: "not known" };
  const text = o.path === "via" ? `via ${o.via.join(", ")}` : words[o.path] ?? o.path;
  const td = cell("Path", text, o.path === "none" ? "loud" : "");
  if (o.round_trip_ms !== null) td.append(el("small", `${o.round_trip_ms} ms`));
  if (o.build) td.append(el("small", `version ${o.build}`));
  return td;
}

function clockCell(o) {
  const ms = o.clock_offset_ms;
  if (ms === null) return cell("Clock", "none", "num faint");
  return cell("Clock", `${ms > 0 ? "+" : ""}${ms} ms`, Math.abs(ms) >= 200 ? "num loud" : "num");
}

/** What is missing now, what was missing most lately, and evidence: a sentence each. */
function missingCell(o) {
  const td = cell("Missing", null, "said");
  const now = o.hour.missing_now;
  if (o.why) td.append(el("span", o.why, "loud"));
  if (now > 1) td.append(el("small", `${now} rounds in a row without its signature`));
  for (const m of o.hour.missing.filter((m) => m.text !== o.why).slice(0, 2)) td.append(el("small", `${roundsIn(m.rounds)}: ${m.text || "why is not known"}`));
  for (const a of o.hour.apart) td.append(el("small", `${roundsIn(a.rounds)} without its word for ${a.text}`, o.hour.apart_now ? "loud" : ""));
  for (const e of o.hour.evidence.newest) td.append(el("small", `evidence: ${e.text}`, "loud"));
  if (!td.childNodes.length && o.weight === "0") td.append(el("span", "without weight: nothing is asked of it", "faint"));
  if (!td.childNodes.length) td.append(el("span", "nothing", "faint"));
  return td;
}

function rowOf(o, total) {
  const row = el("tr", null, o.here ? "ours" : "");
  const name = el("th", o.name, "name");
  name.scope = "row";
  if (o.here) name.append(el("small", "this process"));
  const late = o.hour.signed_after_ms.p99;
  row.append(
    name,
    cell("Weight", o.weight === null ? "none" : weightOf(o.weight, total), "num", o.weight),
    pathCell(o),
    clockCell(o),
    cell("Values", share(o.hour.values_bps), low(o.hour.values_bps)),
    cell("Ready", share(o.hour.ready_bps), low(o.hour.ready_bps)),
    cell("Signed", share(o.hour.signed_bps), low(o.hour.signed_bps)),
    cell("Late", late === null ? "none" : `${late} ms`, "num"),
    missingCell(o),
  );
  return row;
}

/** Weights of wei are told as a share: nobody reads 24 digits. */
function neededOf({ threshold, weight }) {
  const shown = weightOf(threshold, weight);
  return shown === threshold ? `${threshold} of weight ${weight} needed` : `${shown} of the weight needed`;
}

function draw(said) {
  drawStake(said.stake, said.stake_why);
  $("operators").hidden = !said.operators.length;
  if (!said.operators.length) return;
  const rounds = said.rounds;
  const chips = rounds ? [el("span", `${rounds.sealed} sealed`, "chip ok")] : [];
  if (rounds?.lost) chips.push(el("span", `${rounds.lost} lost: ${rounds.lost_why[0]?.text ?? ""}`, "chip depeg"));
  if (said.threshold !== null) chips.push(el("span", neededOf(said), "chip none"));
  $("operators-tally").replaceChildren(...chips);
  $("operators-warnings").hidden = !said.warnings.length;
  show($("operators-warnings"), said.warnings.map((text) => el("li", text)));
  show($("operator-rows"), said.operators.map((o) => rowOf(o, said.weight)));
}

/** Ask again: once at a time. */
let asking = false;
export async function showOperators() {
  if (asking) return;
  asking = true;
  try {
    const answer = await fetch("v1/operators", { cache: "no-cache" });
    if (answer.ok) draw(await answer.json());
  } catch { /* the banner says that the oracle does not answer */ } finally { asking = false; }
}
