/* The page: /v1/prices and /v1/stream for the table; .../history for the chart of the chosen feed, and its own price for its risks. It
   computes no price of its own. */

import { FeedChart } from "./chart.js";
import { $, cell, el, show } from "./dom.js";
import { showOperators } from "./operators.js";
import { ageStake, securedBy, showSecurity, weightOf } from "./stake.js";

const SPANS = [["5 min", 300], ["30 min", 1800], ["3 h", 10800], ["24 h", 86400]];
const RANK = { ok: 0, watch: 1, depeg: 2, halt: 3 };
const MOST_ROUNDS = 10000;
const RETRY_MS = 3000;
/** What the newest round showed, and the lasting risk that says the same of a feed. */
const LASTING = { ONE_CHAIN_NOW: "SINGLE_CHAIN", ONE_RATE_READING_NOW: "SINGLE_RATE_READING" };

const state = { prices: new Map(), missing: new Map(), live: new Map(), order: [], chosen: null, spanS: 300, rounds: [], risk: null, offsetMs: 0 };
const chart = new FeedChart($("chart"), (text) => { $("reading").textContent = text; });

// --- small helpers ---------------------------------------------------------------------------------------------------

/** Decimal text cut to what is worth reading. The exact text stays in the cell's title. */
function short(text) {
  if (text === null || text === undefined) return "none";
  const [whole, fraction = ""] = text.split(".");
  if (whole.length > 1) return `${Number(whole).toLocaleString("en")}.${fraction.padEnd(2, "0").slice(0, 2)}`;
  return `${whole}.${fraction.padEnd(6, "0").slice(0, 6)}`;
}

function percent(bps) {
  if (bps === null || bps === undefined) return "none";
  return `${bps > 0 ? "+" : ""}${(bps / 100).toFixed(2)} %`;
}

function age(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} d`;
}

const nowMs = () => Date.now() + state.offsetMs;
const time = (ms) => new Date(ms).toLocaleTimeString("en-GB");
const pathOf = (feed) => "v1/prices/" + feed.split("/").map(encodeURIComponent).join("/");

function say(text) {
  $("banner").textContent = text;
  $("banner").hidden = !text;
}

// --- what comes in ---------------------------------------------------------------------------------------------------

function takePrices({ prices, missing }) {
  state.prices = new Map(prices.map((p) => [p.feed, p]));
  state.missing = new Map(missing.map((m) => [m.feed, m]));
  const known = new Set([...state.prices.keys(), ...state.missing.keys()]);
  if (!state.order.length || state.order.length !== known.size) state.order = [...known];
  if (known.has(state.chosen)) loadRisk();
  else choose(worst());
  say("");
  draw();
  extend();
  showOperators();
  loadSecurity();
}

function worst() {
  const wanted = decodeURIComponent(location.hash.slice(1));
  if (state.order.includes(wanted)) return wanted;
  const rank = (f) => RANK[state.prices.get(f)?.status] ?? -1;
  return [...state.order].sort((a, b) => rank(b) - rank(a))[0] ?? null;
}

let queued = false;
function takeLive({ prices }) {
  for (const p of prices) state.live.set(p.feed, p);
  if (queued) return;
  queued = true;
  requestAnimationFrame(() => { queued = false; drawRows(); });
}

/** Put the newest final round at the end of the chart, without asking for the history again. */
function extend() {
  const price = state.prices.get(state.chosen);
  const last = state.rounds[state.rounds.length - 1];
  if (price && !price.abstaining && (!last || price.round > last.round)) {
    state.rounds.push({ ...price, reasons: price.reasons.map((r) => r.code) });
    const from = nowMs() / 1000 - state.spanS;
    while (state.rounds.length && state.rounds[0].round < from) state.rounds.shift();
  }
  drawChart();
}

/** Lists and streams have a risk's code alone: sentences and sources are in the price of a single feed. */
async function loadRisk() {
  const feed = state.chosen;
  if (!feed) return;
  try {
    const answer = await fetch(pathOf(feed));
    const risk = answer.ok ? (await answer.json()).risk : null;
    if (feed !== state.chosen) return;
    state.risk = risk;
  } catch { return; }
  drawRisks();
}

async function loadHistory() {
  const feed = state.chosen, spanS = state.spanS;
  if (!feed) return;
  const since = Math.max(0, Math.floor(nowMs() - spanS * 1000));
  try {
    const answer = await fetch(`${pathOf(feed)}/history?since_ms=${since}&limit=${MOST_ROUNDS}`);
    const body = await answer.json();
    if (feed !== state.chosen || spanS !== state.spanS) return;
    if (!answer.ok) throw new Error(body.error.message);
    state.rounds = body.rounds;
    $("chart-note").dataset.more = body.more ? `The newest ${MOST_ROUNDS} rounds are shown.` : "";
    note(body.rounds.length ? "" : "No round of this feed is kept in this time range.");
  } catch (problem) {
    if (feed !== state.chosen) return;
    state.rounds = [];
    note(`The history could not be read: ${problem.message}`);
  }
  drawChart();
}

function note(text) {
  $("chart-note").textContent = text;
  $("chart-note").hidden = !text;
}

// --- what is drawn ---------------------------------------------------------------------------------------------------

function draw() {
  drawRows();
  drawDetail();
  const tally = new Map();
  for (const feed of state.order) {
    const p = state.prices.get(feed);
    const word = p ? p.status : "none";
    tally.set(word, (tally.get(word) ?? 0) + 1);
  }
  const words = ["ok", "watch", "depeg", "halt", "none"].filter((w) => tally.has(w));
  $("tally").replaceChildren(...words.map((w) => el("span", `${tally.get(w)} ${w === "none" ? "without a price" : w}`, `chip ${w}`)));
  const newest = Math.max(0, ...[...state.prices.values()].map((p) => p.round));
  $("round").textContent = newest ? `round ${time(newest * 1000)}` : "";
}

function drawRows() {
  show($("security-summary"), [el("span", "What secures this price"), el("small", securedBy(state.prices.get(state.chosen)))]);
  const body = $("rows");
  const rows = state.order.length ? state.order.map(rowOf) : [emptyRow("No feeds are configured.")];
  const same = body.children.length === rows.length && rows.every((r, i) => r.dataset.feed === body.children[i].dataset.feed);
  if (same) rows.forEach((row, i) => patch(body.children[i], row));
  else body.replaceChildren(...rows);
}

function patch(shown, row) {
  shown.className = row.className;
  show(shown, [...row.children]);
}

function emptyRow(text) {
  const td = el("td", text);
  td.colSpan = 8;
  const row = el("tr", null, "empty");
  row.append(td);
  return row;
}

function rowOf(feed) {
  const row = el("tr", null, feed === state.chosen ? "chosen" : "");
  row.dataset.feed = feed;
  const price = state.prices.get(feed);
  row.append(...(price ? priceCells(price) : missingCells(feed)));
  return row;
}

function nameCell(feed, below, price) {
  const td = cell("", null, "name");
  const pick = el("button", feed, "pick");
  pick.type = "button";
  td.append(pick, el("small", below));
  const secured = securedBy(price);
  if (secured) {
    const open = el("button", secured, "pick secured");
    open.type = "button";
    td.append(open);
  }
  return td;
}

function priceCells(p) {
  const live = state.live.get(p.feed);
  const market = cell("Market", short(p.market), "num", p.market);
  if (live && live.market !== null) market.append(el("small", `live ${short(live.market)}`));
  const redemption = cell("Redemption", short(p.redemption), p.redemption === null ? "num faint" : "num", p.redemption);
  if (p.redemption !== null) redemption.append(el("small", `rate ${p.redemption_age_h >= 255 ? "255+" : p.redemption_age_h} h old`));
  const loud = { depeg: "num loud", halt: "num loud", watch: "num mild" }[p.status] ?? "num";
  const state_ = cell("Status", null, "state");
  state_.append(el("span", p.status, `chip ${p.status}`));
  if (p.abstaining) state_.append(" ", el("span", "no new price", "chip abstaining"));
  const why = p.abstaining ? p.abstaining.text : p.reasons[0]?.text;
  if (why) state_.append(el("small", why, "why"));
  const chain = cell("On chain", p.onchain.length ? short(p.onchain[0].price) : "none", p.onchain.length ? "num" : "num faint");
  if (p.onchain.length) chain.append(el("small", `round ${time(p.onchain[0].round * 1000)}${p.onchain[0].late ? ", late" : ""}`));
  return [
    nameCell(p.feed, `mode ${p.mode}`, p),
    cell("Price", short(p.price), "num", p.price),
    market,
    redemption,
    cell("Deviation", percent(p.deviation_bps), p.deviation_bps === null ? "num faint" : loud),
    state_,
    cell("Age", age(nowMs() - p.observed_at_ms), p.abstaining ? "num loud" : "num"),
    chain,
  ];
}

function missingCells(feed) {
  const m = state.missing.get(feed);
  const status = cell("Status", null, "state");
  status.append(el("span", "no price yet", "chip none"), el("small", m?.text ?? "", "why"));
  const none = (label) => cell(label, "none", "num faint");
  return [nameCell(feed, ""), none("Price"), none("Market"), none("Redemption"), none("Deviation"), status, none("Age"), none("On chain")];
}

function drawDetail() {
  const feed = state.chosen, p = state.prices.get(feed);
  $("detail").hidden = !feed;
  if (!feed) return;
  $("detail-title").textContent = feed;
  const lines = [el("span", p ? p.status : "no price yet", `chip ${p ? p.status : "none"}`)];
  if (p?.abstaining) lines.push(el("span", "no new price", "chip abstaining"));
  lines.push(p ? verdict(p) : state.missing.get(feed)?.text ?? "");
  $("verdict").replaceChildren(...lines);
  $("facts").hidden = !p;
  $("facts").replaceChildren(...(p ? facts(p) : []));
  drawRisks();
  const link = (text, end) => Object.assign(el("a", text), { href: pathOf(feed) + end });
  $("links").replaceChildren(link("price", ""), link("every input", "/explain"), link("history", "/history"), link("what secures it", "/security"),
    ...(p?.legs.length ? [] : [link("signed report", "/report")]));
}

function verdict(p) {
  if (p.abstaining) return `No new price since ${time(p.abstaining.since_ms)}: ${p.abstaining.text}. The last price is shown unchanged.`;
  if (p.reasons.length) return p.reasons.map((r) => r.text).join("; ");
  return p.redemption === null ? "The market price is within its limits." : "The market agrees with the protocol's rate.";
}

function facts(p) {
  const rows = [
    ["Price", p.price ?? "none"],
    ["Deviation", percent(p.deviation_bps)],
    ["Spread", percent(p.spread_bps).replace("+", "± ")],
    ["Observed", time(p.observed_at_ms)],
    ["Signed", p.signed_at_ms === null ? "not signed" : `${time(p.signed_at_ms)}, ${p.operators.length} operators`],
    ...sealFacts(p.seal),
    ["Heartbeat", `${p.heartbeat_s} s`],
    ...p.onchain.map((o) => [`On ${o.target}`, `${short(o.price)} at ${time(o.landed_at_ms ?? o.round * 1000)}${o.announced_by ? `, pushed by ${o.announced_by}` : ""}`]),
    ...(p.legs.length ? [["Computed from", p.legs.join(" × ")]] : []),
  ];
  return rows.map(([name, value]) => {
    const box = el("div");
    box.append(el("dt", name), el("dd", value));
    return box;
  });
}

function sealWeight({ weight, total, threshold }) {
  const [has, needs] = [weight, threshold].map((w) => weightOf(w, total));
  return needs === threshold ? `weight ${has} of ${total} (${needs} are needed)` : `${has} of the weight (${needs} are needed)`;
}

// who stands behind the record, who does not, and why
function sealFacts(seal) {
  if (!seal) return [];
  const when = seal.sealed_ms === null ? "" : ` after ${seal.sealed_ms} ms`;
  return [
    ["Sealed", `by ${sealWeight(seal)} at ${seal.target}, attempt ${seal.attempt}${when}`],
    ...seal.missing.map((a) => [`${a.operator} did not sign`, a.why]),
    ...seal.refused.map((a) => [`${a.operator} does not vouch`, a.why]),
  ];
}

/** What a lender wants to know is asked for when it is opened, and again with each round while it is. */
function loadSecurity() {
  if (state.chosen && $("security").open) showSecurity(state.chosen, pathOf(state.chosen));
}

function openSecurity() {
  $("security").open = true;
  $("security").scrollIntoView({ block: "nearest" });
}

function drawRisks() {
  $("risks").hidden = !state.risk;
  $("risks").replaceChildren(...(state.risk ? risks(state.risk) : []));
}

/** What is there, what the newest round showed, and what nobody has published: never left out, as it is not a no. */
function risks(risk) {
  const lasts = (f) => risk.flags.some((l) => l.code === LASTING[f.code] && l.of === f.of);
  const now = risk.live.facts.filter((f) => f.raised && !lasts(f));
  const unknown = [...risk.unknown, ...risk.live.facts.filter((f) => f.raised === null)];
  const parts = [el("h3", "Risks"), ...(now.length ? [riskList(now, "now")] : []), ...(risk.flags.length ? [riskList(risk.flags, "flag")] : [])];
  if (!now.length && !risk.flags.length) parts.push(el("p", unknown.length ? "None is known." : "None is known, and nothing is unknown.", "muted"));
  if (unknown.length) {
    const open = $("risks").querySelector("details")?.open ?? false;
    const more = el("details");
    more.open = open;
    more.append(el("summary", `${unknown.length} not known`), riskList(unknown, "unknown"));
    parts.push(more);
  }
  return parts;
}

function riskList(facts, className) {
  const list = el("ul", null, className);
  list.append(...facts.map((f) => {
    const item = el("li");
    item.title = f.code;
    if (!f.text.includes(f.of)) item.append(el("span", f.of, "of"), " ");
    item.append(f.text);
    if (f.source.length) item.append(" ", el("small", f.source.join(", ")));
    return item;
  }));
  return list;
}

function drawChart() {
  $("chart").hidden = !state.rounds.length;
  if (!state.rounds.length) return;
  note($("chart-note").dataset.more ?? "");
  const to = nowMs() / 1000;
  chart.show(state.rounds, to - state.spanS, to);
}

function choose(feed) {
  if (!feed || feed === state.chosen) return;
  state.chosen = feed;
  state.rounds = [];
  state.risk = null;
  note("");
  history.replaceState(null, "", "#" + encodeURIComponent(feed));
  draw();
  loadHistory();
  loadRisk();
  loadSecurity();
}

function drawSpans() {
  $("spans").replaceChildren(...SPANS.map(([name, s]) => {
    const button = el("button", name);
    button.type = "button";
    button.setAttribute("aria-pressed", String(s === state.spanS));
    button.addEventListener("click", () => { state.spanS = s; drawSpans(); loadHistory(); });
    return button;
  }));
}

// --- the stream ------------------------------------------------------------------------------------------------------

function linked(word, className) {
  $("link").textContent = word;
  $("link").className = `link ${className}`;
}

function connect() {
  const source = new EventSource("v1/stream");
  source.addEventListener("open", () => { linked("live", "open"); loadHistory(); });
  source.addEventListener("final", (e) => takePrices(JSON.parse(e.data)));
  source.addEventListener("live", (e) => takeLive(JSON.parse(e.data)));
  source.addEventListener("error", () => {
    linked("reconnecting", "lost");
    say("The oracle does not answer. What is shown may be old; trying again.");
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_MS);
  });
}

async function start() {
  drawSpans();
  $("rows").addEventListener("click", (e) => {
    choose(e.target.closest("tr")?.dataset.feed);
    if (e.target.closest(".secured")) openSecurity();
  });
  $("security").addEventListener("toggle", loadSecurity);
  try {
    const answer = await fetch("v1/prices");
    const stated = Date.parse(answer.headers.get("Date"));
    if (Math.abs(stated - Date.now()) > 2000) state.offsetMs = stated - Date.now();
    if (!answer.ok) throw new Error(String(answer.status));
    takePrices(await answer.json());
  } catch {
    say("The oracle does not answer; trying again.");
  }
  connect();
  setInterval(() => { drawRows(); ageStake(); }, 1000);
}

start();
