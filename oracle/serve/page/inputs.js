/* What the newest round was made of: each source with its price, age and weight or why it does not count; what it would cost to move
   the price; and what other oracles say. From .../explain. */

import { legsOf } from "./detail.js";
import { $, ago, cell, el, emptyRow, row, show } from "./dom.js";
import { amount, counted, percent, short } from "./words.js";

const FROM = { book: "order book", pool: "pool", model: "a model", unknown: "unknown" };
const KINDS = ["market", "redemption"];
let picked = null;
let known = null;

export function forgetInputs() {
  picked = known = null;
  $("inputs-who").hidden = true;
  for (const id of ["source-rows", "cost-rows", "reference-rows"]) $(id).replaceChildren();
  note("asking");
  $("costs").hidden = $("references").hidden = true;
}

export function drawInputs(explained, why) {
  known = explained;
  if (!explained) return note(why || "not known");
  const all = explained.operators;
  if (explained.legs.length) return ofLegs(explained);
  if (!all.length) return note("No operator's inputs of this round are kept.");
  const chosen = all.find((o) => o.operator === picked) ?? all.find((o) => o.result === "round") ?? all[0];
  drawPicker(all, chosen);
  const one = sourcesOf(chosen);
  const counting = one.filter((s) => s.weight !== null).length;
  note(chosen.result === "abstained" ? `${chosen.operator} abstained: ${chosen.text}` : `${counting} of ${counted(one.length, "source")} count${counting === 1 ? "s" : ""}, as ${chosen.operator} saw round ${clockOf(chosen.round)}.`);
  $("sources").hidden = false;
  show($("source-rows"), one.length ? one.map((s) => sourceRow(s, chosen.round)) : [emptyRow("It has no sources.", 6)]);
  drawCosts(chosen);
  drawReferences(chosen, explained.record);
}

const clockOf = (s) => new Date(s * 1000).toLocaleTimeString("en-GB");

function note(content) {
  $("sources").hidden = true;
  $("inputs-note").replaceChildren(content);
}

function ofLegs(explained) {
  $("inputs-who").hidden = true;
  $("costs").hidden = $("references").hidden = true;
  const line = legsOf(explained.legs);
  line.append(": their sources are there.");
  note(line);
}

function drawPicker(all, chosen) {
  const select = $("inputs-who");
  select.hidden = all.length < 2;
  show(select, all.map((o) => {
    const option = el("option", o.operator);
    option.value = o.operator;
    return option;
  }));
  select.value = chosen.operator;
  select.onchange = () => { picked = select.value; drawInputs(known, ""); };
}

// --- sources ---------------------------------------------------------------------------------------------------------

/** Every source of a round once: what it said, what weight it has, or why it has none. Those that count first. */
function sourcesOf(result) {
  const sources = new Map();
  for (const o of result.outcomes) {
    if (o.kind === "reference") continue;
    sources.set(o.source, { name: o.source, kind: o.kind ?? "", pair: o.pair, group: o.group ?? "", price: o.price ?? null, at: o.observed_at_ms ?? null, weight: null,
      why: o.code ? reasonOf(o) : "", depth: o.depth ?? null, modelled: o.depth_modelled ?? false });
  }
  const of = (name) => sources.get(name) ?? sources.set(name, { name, kind: "", pair: "", group: "", price: null, at: null, weight: null, why: "", depth: null, modelled: false }).get(name);
  const halves = result.result === "round" ? KINDS.map((k) => [k, result[k]]).filter(([, a]) => a) : [["", { used: [], rejected: result.rejected }]];
  for (const [kind, half] of halves) {
    for (const u of half.used) Object.assign(of(u.source), { kind, group: u.group, price: u.price, at: result.round * 1000 - u.age_ms, weight: u.weight_bps, why: "" });
    for (const r of half.rejected) Object.assign(of(r.source), { price: r.price ?? of(r.source).price, why: reasonOf(r) });
  }
  return [...sources.values()].sort((a, b) => (b.weight ?? -1) - (a.weight ?? -1));
}

/** Code and sentence; a sentence that begins with its code says it once. */
const reasonOf = ({ code, text }) => (text.startsWith(code) ? text : `${code}: ${text}`);

function sourceRow(s, round) {
  const at = el("td", null, "num");
  at.dataset.label = "Age";
  if (s.at === null) at.append(el("span", "none", "faint"));
  else at.append(ago(s.at));
  const why = cell("Counts", null, "said");
  if (s.why) why.append(el("span", s.why, "mild"));
  else if (s.weight === null) why.append(el("span", "asked, and not used in this round", "faint"));
  else why.append(el("span", "yes"));
  const depth = cell("Depth", s.depth === null ? "not known" : amount(s.depth), s.depth === null ? "num faint" : "num", s.depth);
  if (s.modelled && s.depth !== null) depth.append(el("small", "modelled"));
  const below = [s.kind, s.group && s.group !== s.name ? `group ${s.group}` : "", s.pair].filter(Boolean).join(", ");
  return row([s.name, el("small", below)], [
    cell("Price", short(s.price), s.price === null ? "num faint" : "num", s.price),
    at,
    cell("Weight", s.weight === null ? "none" : percent(s.weight).replace("+", ""), s.weight === null ? "num faint" : "num"),
    depth,
    why,
  ], s.weight === null ? "unused" : "");
}

// --- what moving it costs --------------------------------------------------------------------------------------------

function drawCosts(result) {
  const costs = result.cost ?? [];
  $("costs").hidden = false;
  const shared = result.cost_of ? `That of ${result.cost_of}, which it is computed from.` : "Nothing is known of the depth behind this price.";
  show($("cost-rows"), costs.length ? costs.map(costRow) : [emptyRow(shared, 3)]);
}

function costRow(c) {
  const through = cell("Through", null, "said");
  through.append(c.depths.map((d) => `${d.group} (${FROM[d.from] ?? d.from})`).join(", ") || "nothing");
  if (c.modelled.length) through.append(el("small", `modelled: ${c.modelled.join(", ")}; without the model at least ${amount(c.base_stated)}`));
  if (c.unknown.length) through.append(el("small", `unknown, counted as free: ${c.unknown.join(", ")}`, "mild"));
  const bound = c.modelled.length ? `about ${amount(c.base)}` : `at least ${amount(c.base)}`;
  return row(c.depeg ? "into depeg" : `by ${percent(c.bps).replace("+", "")}`, [cell("Base units", bound, "num", c.base), through]);
}

// --- other oracles ---------------------------------------------------------------------------------------------------

function drawReferences(result, record) {
  const found = result.outcomes.filter((o) => o.kind === "reference" || (o.code && /reference/.test(o.source)));
  $("references").hidden = false;
  const none = "No other oracle is configured beside this feed.";
  show($("reference-rows"), found.length ? found.map((o) => referenceRow(o, record)) : [emptyRow(none, 4)]);
}

function referenceRow(o, record) {
  const at = cell("Age", null, "num");
  if (o.observed_at_ms) at.append(ago(o.observed_at_ms));
  else at.append(el("span", "none", "faint"));
  const ours = record?.market ?? record?.redemption ?? null;
  const away = o.price && ours ? Math.round((Number(o.price) / Number(ours) - 1) * 10000) : null;
  const apart = cell("From ours", away === null ? "none" : percent(away), away !== null && Math.abs(away) >= 100 ? "num mild" : "num");
  const name = [o.source, el("small", o.code ? reasonOf(o) : o.pair, o.code ? "mild" : "")];
  return row(name, [cell("Price", short(o.price), o.price ? "num" : "num faint", o.price), apart, at]);
}
