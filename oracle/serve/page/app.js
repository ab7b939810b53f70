/* The page: /v1/prices and /v1/stream for the list, and for the chosen feed its history, inputs, changes and pushes. It computes no
   price of its own. Addresses: #/ all feeds, #/feed/BASE/QUOTE one of them, #/operators, #/stake, #/targets. */

import { lateness, sound, verdictOf } from "./alarm.js";
import { Asked } from "./asked.js";
import { FeedChart } from "./chart.js";
import { drawDetail, drawRaw } from "./detail.js";
import { $, button, el, show, tick } from "./dom.js";
import { drawChanges, drawOnchain, drawPushes, forgetHappened, heldOver } from "./happened.js";
import { drawInputs, forgetInputs } from "./inputs.js";
import { listen } from "./keys.js";
import { FeedList } from "./list.js";
import { drawNode } from "./node.js";
import { showOperators } from "./operators.js";
import { drawRisks } from "./risks.js";
import { ageStake, securedBy, showSecurity } from "./stake.js";
import { drawHealth } from "./targets.js";
import { addressOf, nowMs, pathOf, setClock, time } from "./words.js";

const SPANS = [["5 min", 300], ["30 min", 1800], ["3 h", 10800], ["24 h", 86400]];
const MOST_ROUNDS = 10000;
const RETRY_MS = 3000;
const COURSES_MS = 75_000;
const WIDE = matchMedia("(min-width: 1100px)");

const state = {
  prices: new Map(), missing: new Map(), live: new Map(), order: [], courses: new Map(), chosen: null, opened: false,
  spanS: 1800, rounds: [], pushes: null, newestS: 0, intervalS: null, link: "connecting", isNode: false,
};
const chart = new FeedChart($("chart"), (text) => { $("reading").textContent = text; });
const list = new FeedList(state);
const price = () => state.prices.get(state.chosen);
const isChosen = (feed) => feed === state.chosen;

const record = new Asked(pathOf, (feed, body) => {
  if (!isChosen(feed)) return;
  drawRisks(body?.risk ?? null);
  drawRaw(body);
}, 1000);
const inputs = new Asked((feed) => `${pathOf(feed)}/explain`, (feed, body, why) => { if (isChosen(feed)) drawInputs(body, why); }, 9000);
const changes = new Asked((feed) => `${pathOf(feed)}/changes`, (feed, body, why) => { if (isChosen(feed)) drawChanges(body, why, price()); }, 60_000);
const pushes = new Asked((feed) => `${pathOf(feed)}/pushes?limit=200`, (feed, body, why) => {
  if (!isChosen(feed)) return;
  state.pushes = body?.pushes ?? null;
  drawPushes(body, why, price());
  drawChart();
}, 30_000);
const health = new Asked(() => "healthz", (_, body) => {
  if (!body) return;
  drawHealth(body);
  state.isNode = body.node !== null;
  drawNode(body.node);
  drawOnchain(state.chosen, price());
}, 9000);
const courses = new Asked(() => "v1/trends", (_, body) => {
  if (!body) return;
  state.courses = new Map(body.feeds.map((f) => [f.feed, f.points]));
  list.draw();
}, COURSES_MS);

// --- what comes in ---------------------------------------------------------------------------------------------------

function takePrices(said) {
  state.prices = new Map(said.prices.map((p) => [p.feed, p]));
  state.missing = new Map(said.missing.map((m) => [m.feed, m]));
  const known = new Set([...state.prices.keys(), ...state.missing.keys()]);
  if (!state.order.length || state.order.length !== known.size || state.order.some((f) => !known.has(f))) state.order = [...known];
  state.newestS = Math.max(said.round ?? 0, ...said.prices.map((p) => p.round), 0);
  state.intervalS = said.interval_s;
  follow();
  draw();
  extend();
  askAll();
}

/** Whoever looks elsewhere asks for nothing but the stream. */
function askAll() {
  if (document.hidden) return;
  courses.ask("all");
  health.ask("all");
  showOperators();
  askChosen();
}

function askChosen() {
  const feed = state.chosen;
  if (!feed) return;
  if (state.prices.has(feed)) record.ask(feed);
  else { drawRisks(null); drawRaw(null); }
  const code = state.missing.get(feed)?.code;
  if (code === "NONE" || code === undefined && !state.prices.has(feed)) drawInputs(null, "There was no round of it yet.");
  else inputs.ask(feed);
  changes.ask(feed);
  pushes.ask(feed);
  loadSecurity();
}

let queued = false;
function takeLive({ prices }) {
  for (const p of prices) state.live.set(p.feed, p);
  if (queued) return;
  queued = true;
  requestAnimationFrame(() => { queued = false; list.draw(); drawChosen(); });
}

/** Put the newest final round at the end of the chart, without asking for the history again. */
function extend() {
  const p = price();
  const last = state.rounds[state.rounds.length - 1];
  if (p && !p.abstaining && (!last || p.round > last.round)) {
    state.rounds.push({ ...p, reasons: p.reasons.map((r) => r.code) });
    const from = nowMs() / 1000 - state.spanS;
    while (state.rounds.length && state.rounds[0].round < from) state.rounds.shift();
  }
  drawChart();
}

async function loadHistory() {
  const feed = state.chosen, spanS = state.spanS;
  if (!feed) return;
  const since = Math.max(0, Math.floor(nowMs() - spanS * 1000));
  try {
    const answer = await fetch(`${pathOf(feed)}/history?since_ms=${since}&limit=${MOST_ROUNDS}`, { cache: "no-cache" });
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
  list.draw();
  drawChosen();
  drawOnchain(state.chosen, price());
  alarm();
}

function drawChosen() {
  drawDetail(state, openSecurity);
  show($("security-summary"), [el("span", "What secures this price"), el("small", securedBy(price()))]);
}

function alarm() {
  const { link, newestS, intervalS, isNode } = state;
  const verdict = verdictOf({ link, prices: [...state.prices.values()], missing: [...state.missing.values()], newestS, intervalS, isNode });
  sound(verdict, list.tally());
  document.body.classList.toggle("old", verdict.tone === "lost" && (link === "lost" || lateness(newestS, intervalS).late));
  $("round").textContent = newestS ? `round ${time(newestS * 1000)}` : "";
}

function drawChart() {
  $("chart").hidden = !state.rounds.length;
  if (!state.rounds.length) return;
  note($("chart-note").dataset.more ?? "");
  const to = nowMs() / 1000;
  chart.show(state.rounds, to - state.spanS, to, heldOver(state.pushes, price()));
  $("chart").setAttribute("aria-label", `${state.chosen}: market and redemption of the last ${SPANS.find(([, s]) => s === state.spanS)[0]}; the figures are above`);
}

function drawSpans() {
  show($("spans"), SPANS.map(([name, s], i) => {
    const node = button(name, "", () => span(i));
    node.setAttribute("aria-pressed", String(s === state.spanS));
    return node;
  }));
}

function span(i) {
  state.spanS = SPANS[i][1];
  drawSpans();
  loadHistory();
}

/** What a lender wants to know is asked for when it is opened, and again with each round while it is. */
function loadSecurity() {
  if (state.chosen && $("security").open) showSecurity(state.chosen, pathOf(state.chosen));
}

function openSecurity() {
  $("security").open = true;
  $("security").scrollIntoView({ block: "nearest" });
}

// --- addresses -------------------------------------------------------------------------------------------------------

/** Go where the address says. An address of the older kind (#BASE%2FQUOTE) still leads to its feed. */
function follow({ moved = false } = {}) {
  const hash = location.hash.slice(1);
  let wanted = null;
  try { wanted = decodeURIComponent(hash.startsWith("/feed/") ? hash.slice(6) : hash); } catch { /* not an address of this page */ }
  const isOpened = state.order.includes(wanted);
  if (isOpened && !hash.startsWith("/feed/")) history.replaceState(null, "", addressOf(wanted));
  state.opened = isOpened;
  document.body.classList.toggle("opened", isOpened);
  const unknown = hash.startsWith("/feed/") && state.order.length > 0 && !isOpened;
  $("unknown").hidden = !unknown;
  $("unknown").textContent = unknown ? `There is no feed ${wanted} here.` : "";
  choose(isOpened ? wanted : state.order.includes(state.chosen) ? state.chosen : list.sorted()[0] ?? null);
  if (!moved) return;
  const section = isOpened ? $("detail") : document.getElementById(hash.replace("/", "")) ?? null;
  if (isOpened || section) section.scrollIntoView({ block: "start" });
  else if (!hash || hash === "/") scrollTo(0, 0);
  if (isOpened && !WIDE.matches) $("detail-title").focus({ preventScroll: true });
}

function choose(feed) {
  if (!feed || feed === state.chosen) return;
  Object.assign(state, { chosen: feed, rounds: [], pushes: null });
  for (const asked of [record, inputs, changes, pushes]) asked.forget();
  note("");
  drawRisks(null);
  drawRaw(null);
  forgetInputs();
  forgetHappened();
  draw();
  loadHistory();
  askChosen();
}

function step(by) {
  const feeds = list.shown();
  const at = feeds.indexOf(state.chosen);
  const next = feeds[Math.min(feeds.length - 1, Math.max(0, at + by))];
  if (!next) return;
  location.hash = addressOf(next).slice(1);
  document.querySelector(`#rows tr:nth-child(${feeds.indexOf(next) + 1})`)?.scrollIntoView({ block: "nearest" });
}

function back() {
  if (!list.clear() && state.opened) location.hash = "/";
}

function skip() {
  const target = state.opened && !WIDE.matches ? $("detail-title") : $("feeds-title");
  target.focus();
}

// --- the stream ------------------------------------------------------------------------------------------------------

function linked(word) {
  state.link = word;
  alarm();
}

/** While nothing current comes, how things stand is asked for all the same: a node knows whom it has lost. */
function askWhy() {
  if (state.link !== "open") drawNode(null);
  else if (document.body.dataset.tone === "lost" && !document.hidden) health.ask("all");
}

function connect() {
  const source = new EventSource("v1/stream");
  source.addEventListener("open", () => { linked("open"); loadHistory(); });
  source.addEventListener("final", (e) => takePrices(JSON.parse(e.data)));
  source.addEventListener("live", (e) => takeLive(JSON.parse(e.data)));
  source.addEventListener("status", (e) => { if (JSON.parse(e.data).changes.some((c) => isChosen(c.feed))) changes.ask(state.chosen, { now: true }); });
  source.addEventListener("error", () => {
    linked("lost");
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_MS);
  });
}

async function start() {
  drawSpans();
  listen({ step, span, back, skip });
  addEventListener("hashchange", () => follow({ moved: true }));
  document.addEventListener("visibilitychange", askAll);
  document.addEventListener("themechange", () => chart.rebuild());
  $("rows").addEventListener("click", (e) => {
    const row = e.target.closest("tr[data-feed]");
    if (row && !e.target.closest("a, button")) row.querySelector("a").click();
  });
  $("security").addEventListener("toggle", loadSecurity);
  try {
    const answer = await fetch("v1/prices", { cache: "no-cache" });
    setClock(Date.parse(answer.headers.get("Date")));
    if (!answer.ok) throw new Error(String(answer.status));
    takePrices(await answer.json());
    follow({ moved: location.hash.length > 2 });
  } catch { state.link = "lost"; }
  connect();
  setInterval(() => { tick(); drawChosen(); alarm(); ageStake(); askWhy(); }, 1000);
}

start();
