/* What every part of the page makes its nodes with: text stays text. */

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

/** Show these nodes, and touch only what differs: what a reader has selected or focused stays. */
export function show(parent, nodes) {
  const shown = [...parent.children];
  if (shown.length !== nodes.length) return parent.replaceChildren(...nodes);
  nodes.forEach((fresh, i) => { if (!shown[i].isEqualNode(fresh)) swap(shown[i], fresh); });
}

function swap(shown, fresh) {
  const focused = [...shown.querySelectorAll("button")].indexOf(document.activeElement);
  shown.replaceWith(fresh);
  if (focused >= 0) fresh.querySelectorAll("button")[focused]?.focus();
}
