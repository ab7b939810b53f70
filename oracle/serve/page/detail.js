/* The chosen feed: its price and what stands beside it, who signed it, and the record as it is. */

import { wordOf } from "./alarm.js";
import { $, ago, boxes, button, el, link, show } from "./dom.js";
import { securedBy, weightOf } from "./stake.js";
import { addressOf, counted, moment, pathOf, percent, short, time } from "./words.js";

export function drawDetail({ chosen: feed, prices, missing, live }, openSecurity) {
  const p = prices.get(feed);
  $("detail").hidden = !feed;
  if (!feed) return;
  $("detail-title").textContent = feed;
  $("detail").dataset.word = wordOf(p);
  show($("chips"), [el("span", p ? (p.abstaining ? `was ${p.status}` : p.status) : "no price yet", `chip ${p && !(p.abstaining && p.status === "ok") ? p.status : "none"}`),
    ...(p?.abstaining ? [el("span", "no new price", "chip abstaining")] : [])]);
  show($("headline"), headline(p, live.get(feed)));
  $("verdict").textContent = p ? verdict(p) : missing.get(feed)?.text ?? "";
  show($("secured"), securedParts(p, openSecurity));
  $("figures").hidden = !p;
  show($("figures"), p ? boxes(figures(p)) : []);
  show($("signed-facts"), p ? boxes(signedFacts(p)) : []);
  $("signed").hidden = !p;
  const to = (text, end) => link(text, pathOf(feed) + end);
  show($("links"), [to("price", ""), to("every input", "/explain"), to("history", "/history"), to("changes", "/changes"), to("pushes", "/pushes"),
    to("what secures it", "/security"), ...(p?.legs.length ? [] : [to("signed report", "/report")])]);
}

function headline(p, live) {
  if (!p) return [el("span", "no price", "price faint")];
  const price = el("span", short(p.price), "price");
  price.title = p.price ?? "";
  const parts = [price, el("span", p.quote, "unit")];
  if (live && live.market !== null) parts.push(el("span", `live ${short(live.market)}`, "muted"));
  return parts;
}

function securedParts(p, openSecurity) {
  const words = securedBy(p);
  return words ? [button(words, "pick secured", openSecurity)] : [];
}

function verdict(p) {
  if (p.abstaining) return `No new price since ${moment(p.abstaining.since_ms)}: ${p.abstaining.text}. The last price is shown unchanged.`;
  if (p.reasons.length) return p.reasons.map((r) => r.text).join("; ");
  return p.redemption === null ? "The market price is within its limits." : "The market agrees with the protocol's rate.";
}

/** The interval that the spread says the market lies within. */
function band(p) {
  if (p.market === null) return "none";
  const market = Number(p.market), digits = market < 10 ? 6 : 2;
  const [low, high] = [-1, 1].map((sign) => (market * (1 + sign * p.spread_bps / 10000)).toFixed(digits));
  return `${low} to ${high}`;
}

function figures(p) {
  const loud = { depeg: "loud", halt: "loud", watch: "mild" }[p.status] ?? "";
  const exact = (text, below) => {
    const node = el("span", short(text));
    node.title = text ?? "";
    return below ? parts(node, el("small", below)) : node;
  };
  return [
    ["Market", exact(p.market, p.market === null ? "" : `inputs up to ${p.market_age_s} s old`)],
    ["Redemption", exact(p.redemption, p.redemption === null ? "" : `rate ${p.redemption_age_h >= 255 ? "255+" : p.redemption_age_h} h old`)],
    ["Deviation", el("span", percent(p.deviation_bps), p.deviation_bps === null ? "faint" : loud)],
    ["Spread", parts(el("span", percent(p.spread_bps).replace("+", "± ")), el("small", band(p)))],
    ["Age", parts(ago(p.observed_at_ms, p.abstaining ? "loud" : ""), el("small", `round ${time(p.round * 1000)}`))],
    ["Mode", parts(el("span", p.mode), el("small", `heartbeat ${p.heartbeat_s} s`))],
  ];
}

function parts(...nodes) {
  const fragment = el("span");
  fragment.append(...nodes);
  return fragment;
}

function sealWeight({ weight, total, threshold }) {
  const [has, needs] = [weight, threshold].map((w) => weightOf(w, total));
  return needs === threshold ? `weight ${has} of ${total} (${needs} are needed)` : `${has} of the weight (${needs} are needed)`;
}

/** Who stands behind the record, who does not, and why. */
function signedFacts(p) {
  const rows = [["Signed", p.signed_at_ms === null ? "not signed" : `${time(p.signed_at_ms)}, ${counted(p.operators.length, "operator")}: ${p.operators.join(", ")}`]];
  const seal = p.seal;
  if (!seal) return [...rows, ["Sealed", "by nobody"]];
  const when = seal.sealed_ms === null ? "" : ` after ${seal.sealed_ms} ms`;
  return [
    ...rows,
    ["Sealed", `by ${sealWeight(seal)} at ${seal.target}, epoch ${seal.epoch}, attempt ${seal.attempt}${when}`],
    ...seal.missing.map((a) => [`${a.operator} did not sign`, a.why, "mild"]),
    ...seal.refused.map((a) => [`${a.operator} does not vouch`, a.why, "mild"]),
  ];
}

/** The legs of a cross, each with its own page. */
export function legsOf(legs) {
  const line = el("p", "Computed from ");
  legs.forEach((leg, i) => line.append(i ? " × " : "", link(leg, addressOf(leg))));
  return line;
}

export function drawRaw(record) {
  $("raw").hidden = !record;
  const text = record ? JSON.stringify(record, null, 2) : "";
  if ($("raw-text").textContent !== text) $("raw-text").textContent = text;
}
