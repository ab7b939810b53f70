/* A stand-in for a browser where none is installed: nodes with text, children and classes, enough to see what stake.js shows. It
   draws nothing and knows no layout. Reads {stake, why, security, feed} from a file, prints what each part of the page holds. */

import { readFileSync } from "node:fs";

const made = new Set();

class Node {
  constructor(tag) {
    Object.assign(this, { tag, className: "", hidden: false, title: "", open: false, dataset: {}, children: [] });
    made.add(tag);
  }
  get textContent() { return this.children.map((c) => (typeof c === "string" ? c : c.textContent)).join(""); }
  set textContent(text) { this.children = [String(text)]; }
  append(...nodes) { this.children.push(...nodes); }
  replaceChildren(...nodes) { this.children = nodes; }
  /** Each row, cell and item on a line of its own. */
  lines() {
    const whole = ["li", "td", "th", "dt", "dd", "p", "span", "small"];
    const inner = this.children.filter((c) => typeof c !== "string").flatMap((c) => c.lines());
    return whole.includes(this.tag) && !inner.length ? [this.textContent] : [...this.children.filter((c) => typeof c === "string"), ...inner];
  }
}

const byId = new Map();
globalThis.document = {
  getElementById: (id) => byId.get(id) ?? byId.set(id, new Node("part")).get(id),
  createElement: (tag) => new Node(tag),
};

const [page, file] = process.argv.slice(2);
const given = JSON.parse(readFileSync(file, "utf8"));
const asked = [];
globalThis.fetch = async (path) => {
  asked.push(path);
  return { ok: !given.security.error, json: async () => given.security };
};
const { drawStake, securedBy, showSecurity } = await import(page);
drawStake(given.stake, given.why);
await showSecurity(given.feed, `v1/prices/${given.feed}`);
const parts = Object.fromEntries([...byId].map(([id, node]) => [id, { hidden: node.hidden, lines: node.lines() }]));
console.log(JSON.stringify({ secured: securedBy(), asked, parts, tags: [...made].sort() }));
