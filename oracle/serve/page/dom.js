/* What every part of the page makes its nodes with: text stays text. */

import { age, nowMs } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

export function el(tag, text, className) {
  const node = document.createElement(tag);
  if (text !== undefined && text !== null) node.textContent = text;
  if (className) node.className = className;
  return node;
}

export function cell(label, text, className, title) {
  const td = el("td", text, className);
  if (label) td.dataset.label = label;
  if (title) td.title = title;
  return td;
}

export function link(text, href, className) {
  return Object.assign(el("a", text, className), { href });
}

export function button(text, className, onClick) {
  const node = Object.assign(el("button", text, className), { type: "button" });
  if (onClick) node.addEventListener("click", onClick);
  return node;
}

export function drawn(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

/** A moment as the time since then, which `tick` keeps growing. */
export function ago(atMs, className) {
  const node = el("span", age(nowMs() - atMs), className);
  node.dataset.since = String(atMs);
  return node;
}

export function tick() {
  const now = nowMs();
  for (const node of document.querySelectorAll("[data-since]")) {
    const text = age(now - Number(node.dataset.since));
    if (node.textContent !== text) node.textContent = text;
  }
}

/** Name and value pairs of a `dl`. */
export function boxes(rows) {
  return rows.map(([name, value, className]) => {
    const box = el("div");
    const dd = el("dd", null, className);
    dd.append(value);
    box.append(el("dt", name), dd);
    return box;
  });
}

/** A row of a table: the first cell heads it. */
export function row(first, cells, className) {
  const tr = el("tr", null, className);
  const head = el("th", null, "name");
  head.scope = "row";
  head.append(...[first].flat());
  tr.append(head, ...cells);
  return tr;
}

/** A row that says that there is none, and why. */
export function emptyRow(text, columns) {
  const td = el("td", text);
  td.colSpan = columns;
  const tr = el("tr", null, "empty");
  tr.append(td);
  return tr;
}

/** Show these nodes, and touch only what differs: what a reader has selected or focused stays. */
export function show(parent, nodes) {
  const shown = [...parent.children];
  if (shown.length !== nodes.length) return parent.replaceChildren(...nodes);
  nodes.forEach((fresh, i) => { if (!shown[i].isEqualNode(fresh)) swap(shown[i], fresh); });
}

function swap(shown, fresh) {
  const focused = [...shown.querySelectorAll("button, a")].indexOf(document.activeElement);
  const isFocused = shown === document.activeElement;
  shown.replaceWith(fresh);
  if (isFocused) fresh.focus();
  else if (focused >= 0) fresh.querySelectorAll("button, a")[focused]?.focus();
}
