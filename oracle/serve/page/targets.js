/* The chains that are pushed to: whether they are seen, who can sign, for how many pushes there is gas, which feeds are late. */

import { $, ago, cell, el, row, show } from "./dom.js";
import { age, counted } from "./words.js";

let known = null;

function gasCell(t) {
  if (!t.sends) return cell("Gas", "no gas key: nothing is pushed", "faint");
  if (t.pushes_left === null) return cell("Gas", "not known", "num faint");
  return cell("Gas", `${t.pushes_left.toLocaleString("en")} pushes left`, t.pushes_left ? "num" : "num loud");
}

function seenCell(t) {
  const td = cell("Seen", null, "num");
  if (t.looked_at_ms === null) td.append(el("span", "never", "loud"));
  else td.append(ago(t.looked_at_ms), " ago");
  return td;
}

function signersCell({ quorum }) {
  if (!quorum) return cell("Signers", "not known", "faint");
  const td = cell("Signers", quorum.reachable ? "enough" : "too few", quorum.reachable ? "said" : "said loud");
  td.append(...quorum.missing.map((text) => el("small", text)));
  return td;
}

function feedsCell(t) {
  const late = t.feeds.filter((f) => f.late), held = t.feeds.filter((f) => f.held && !f.late);
  const td = cell("Feeds", null, "said");
  td.append(el("span", late.length ? `${late.length} of ${t.feeds.length} late` : `${counted(t.feeds.length, "feed")}, none late`, late.length && t.sends ? "loud" : ""));
  td.append(...late.slice(0, 4).map((f) => el("small", `${f.feed}: ${f.age_s === null ? "not there yet" : `${age(f.age_s * 1000)} old`}, heartbeat ${f.heartbeat_s} s${f.held ? `; ${f.held}` : ""}`)));
  td.append(...held.slice(0, 2).map((f) => el("small", `${f.feed} was due and held: ${f.held}`)));
  return td;
}

function rowOf(t) {
  const name = [t.target, el("small", t.connected ? "connected" : "not connected", t.connected ? "" : "loud")];
  return row(name, [seenCell(t), signersCell(t), gasCell(t), feedsCell(t)]);
}

/** Targets, and what keeps the process from being ready; each feed's own abstention is in the list already. */
export function drawHealth(health) {
  known = health;
  $("targets").hidden = !health.targets.length;
  show($("target-rows"), health.targets.map(rowOf));
  const texts = [...health.reasons.filter((r) => r.startsWith("target ")), ...health.warnings.filter((w) => w.startsWith("target "))];
  $("target-warnings").hidden = !texts.length;
  show($("target-warnings"), texts.map((text) => el("li", text)));
}

/** How a feed stands at each target: what /healthz says of it. */
export function feedAt(feed) {
  return (known?.targets ?? []).flatMap((t) => t.feeds.filter((f) => f.feed === feed).map((f) => ({ ...f, target: t.target, sends: t.sends, pushesLeft: t.pushes_left })));
}
