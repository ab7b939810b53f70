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
