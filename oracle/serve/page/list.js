/* The list of feeds: the worst first, what the last hour was like, and a filter by name and by state. */

import { rankOf, said, tallyOf, wordOf } from "./alarm.js";
import { $, ago, button, cell, drawn, el, emptyRow, link, show } from "./dom.js";
import { addressOf, percent, short } from "./words.js";

const WIDE = 68, HIGH = 26, COLUMNS = 6;
const LEAST_BPS = 30;
const filter = { text: "", words: new Set() };

export class FeedList {
  /** @param state the page's: prices, missing, live, order, chosen, courses */
  constructor(state) {
    this.state = state;
    $("filter").addEventListener("input", (e) => { filter.text = e.target.value.trim().toLowerCase(); this.draw(); });
    $("tally").addEventListener("click", (e) => this.toggle(e.target.closest("button")?.dataset.word));
  }

  toggle(word) {
    if (!word) return;
    if (filter.words.has(word)) filter.words.delete(word);
    else filter.words.add(word);
    this.draw();
  }

  clear() {
    const had = filter.text !== "" || filter.words.size > 0;
    filter.text = "";
    filter.words.clear();
    $("filter").value = "";
    this.draw();
    return had;
  }

  /** All feeds, the worst first; the config's order among equals. */
  sorted() {
    const { order, prices } = this.state;
    const place = new Map(order.map((feed, i) => [feed, i]));
    const far = (f) => Math.abs(prices.get(f)?.deviation_bps ?? 0);
    const isBad = (f) => rankOf(prices.get(f)) > 0;
    return [...order].sort((a, b) => rankOf(prices.get(b)) - rankOf(prices.get(a))
      || (isBad(a) ? far(b) - far(a) : 0) || place.get(a) - place.get(b));
  }

  shown() {
    const { prices } = this.state;
    return this.sorted().filter((feed) => feed.toLowerCase().includes(filter.text)
      && (!filter.words.size || filter.words.has(wordOf(prices.get(feed)))));
  }

  tally() {
    return tallyOf(this.state.order.map((feed) => wordOf(this.state.prices.get(feed))));
  }

  draw() {
    const { order } = this.state;
    const feeds = this.shown();
    const rows = feeds.map((feed) => this.rowOf(feed));
    if (!order.length) rows.push(emptyRow("No feeds are configured.", COLUMNS));
    else if (!rows.length) rows.push(emptyRow("No feed is like this. Esc shows all of them again.", COLUMNS));
    this.place(rows);
    $("feeds-count").textContent = feeds.length === order.length ? String(order.length) : `${feeds.length} of ${order.length}`;
    const chips = this.tally().map(([word, n]) => {
      const chip = button(`${n} ${said(word)}`, `chip ${word}`);
      chip.dataset.word = word;
      chip.setAttribute("aria-pressed", String(filter.words.has(word)));
      return chip;
    });
    show($("tally"), chips);
  }

  place(rows) {
    const body = $("rows");
    const isSame = body.children.length === rows.length && rows.every((r, i) => r.dataset.feed === body.children[i].dataset.feed);
    if (isSame) return rows.forEach((row, i) => patch(body.children[i], row));
    const focused = document.activeElement?.closest("#rows tr")?.dataset.feed;
    body.replaceChildren(...rows);
    if (focused) [...body.children].find((r) => r.dataset.feed === focused)?.querySelector("a")?.focus();
  }

  rowOf(feed) {
    const { prices, missing, live, chosen, courses } = this.state;
    const price = prices.get(feed), word = wordOf(price);
    const row = el("tr", null, feed === chosen ? "chosen" : "");
    row.dataset.feed = feed;
    const name = el("th", null, "name");
    name.scope = "row";
    const pick = link(feed, addressOf(feed), "pick");
    if (feed === chosen) pick.setAttribute("aria-current", "true");
    const why = price ? price.abstaining?.text ?? price.reasons[0]?.text ?? `mode ${price.mode}` : missing.get(feed)?.text ?? "";
    const below = el("small", why, "why");
    below.title = why;
    name.append(pick, below);
    row.append(name, courseCell(courses.get(feed), price), ...(price ? priceCells(price, live.get(feed), word) : missingCells()));
    return row;
  }
}

function patch(shown, row) {
  shown.className = row.className;
  show(shown, [...row.children]);
}

function priceCells(p, live, word) {
  const price = cell("Price", short(p.price), "num", p.price);
  if (live && live.market !== null) price.append(el("small", `live ${short(live.market)}`));
  const loud = { depeg: "num loud", halt: "num loud", watch: "num mild" }[p.status] ?? "num";
  const state = cell("State", null, "state");
  if (!p.abstaining || p.status !== "ok") state.append(el("span", p.status, `chip ${p.status}`));
  if (p.abstaining) state.append(el("span", "no new price", "chip abstaining"));
  const old = cell("Age", null, p.abstaining ? "num loud" : "num");
  old.append(ago(p.observed_at_ms));
  return [price, cell("Deviation", percent(p.deviation_bps), p.deviation_bps === null ? "num faint" : loud), state, old];
}

function missingCells() {
  const state = cell("State", null, "state");
  state.append(el("span", "no price yet", "chip none"));
  const none = (label) => cell(label, "none", "num faint");
  return [none("Price"), none("Deviation"), state, none("Age")];
}

// --- the last hour ---------------------------------------------------------------------------------------------------

/** The deviation where there is one, around no deviation; else the price. Noise stays flat. */
function courseCell(points, price) {
  const td = cell("Last hour", null, "course");
  const all = [...(points ?? []), ...(price && !price.abstaining ? [price] : [])];
  const isRatio = all.some((p) => p && p.deviation_bps !== null);
  const values = all.map((p) => valueOf(p, isRatio));
  const known = values.filter((v) => v !== null);
  if (known.length < 2) { td.append(el("span", "none", "faint")); return td; }
  const lowest = Math.min(...known), highest = Math.max(...known);
  const words = isRatio ? `${percent(lowest)} to ${percent(highest)}` : `${short(String(lowest))} to ${short(String(highest))}`;
  const svg = drawn("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, width: WIDE, height: HIGH, role: "img", "aria-label": `last hour: ${words}`, class: `spark ${wordOf(price)}` });
  const title = drawn("title", {});
  title.textContent = `last hour: ${words}`;
  svg.append(title);
  const [low, high] = room(isRatio ? Math.min(0, lowest) : lowest, isRatio ? Math.max(0, highest) : highest, isRatio);
  const y = (v) => 2 + (HIGH - 4) * (high - v) / (high - low), x = (i) => (WIDE - 4) * i / (values.length - 1) + 1;
  if (isRatio) svg.append(drawn("line", { x1: 0, x2: WIDE, y1: y(0), y2: y(0), class: "zero" }));
  svg.append(drawn("path", { d: pathThrough(values, x, y) }));
  const last = values.length - 1;
  if (values[last] !== null) svg.append(drawn("circle", { cx: x(last), cy: y(values[last]), r: 2 }));
  td.append(svg);
  return td;
}

function valueOf(point, isRatio) {
  if (!point) return null;
  if (isRatio) return point.deviation_bps;
  return point.price === null ? null : Number(point.price);
}

function room(low, high, isRatio) {
  const middle = (low + high) / 2;
  const half = Math.max((high - low) / 2, isRatio ? LEAST_BPS / 2 : Math.abs(middle) * 5e-4) || 1;
  return [middle - half, middle + half];
}

function pathThrough(values, x, y) {
  let path = "", pen = "M";
  values.forEach((v, i) => {
    if (v === null) pen = "M";
    else { path += `${pen}${x(i).toFixed(1)} ${y(v).toFixed(1)}`; pen = "L"; }
  });
  return path;
}
