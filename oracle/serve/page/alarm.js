/* Whether what is shown is current, how bad it is, and how loudly that is said: the word at the top, the tab's title and icon. */

import { $ } from "./dom.js";
import { age, counted, nowMs } from "./words.js";

/** From good to bad. `none`: no price, or none that is current. */
export const WORDS = ["ok", "watch", "none", "depeg", "halt"];
const LATE_ROUNDS = 3;
const NAMES = { none: "without a new price" };
const ICONS = { ok: "icon.svg", watch: "icon-watch.svg", none: "icon-depeg.svg", depeg: "icon-depeg.svg", halt: "icon-depeg.svg" };

/** What a feed counts as: the worse of its status and of having no new price. */
export function wordOf(price) {
  if (!price) return "none";
  return price.abstaining && WORDS.indexOf(price.status) < WORDS.indexOf("none") ? "none" : price.status;
}

export const rankOf = (price) => WORDS.indexOf(wordOf(price));

/** Time since the newest round, and whether that is too long: as the process itself counts it. */
export function lateness(newestS, intervalS, now = nowMs()) {
  const waitedMs = now - newestS * 1000;
  const interval = intervalS ?? 10;
  return { waitedMs, late: newestS > 0 && Math.abs(waitedMs) >= LATE_ROUNDS * (interval + 1) * 1000 };
}

/**
 * What is said of all feeds: green only while the stream is open, rounds arrive and every price is current.
 * `link`: "connecting", "open" or "lost".
 */
export function verdictOf({ link, prices, missing, newestS, intervalS, isNode }) {
  const { waitedMs, late } = lateness(newestS, intervalS);
  const all = prices.length + missing.length;
  const quiet = prices.filter((p) => p.abstaining);
  const current = prices.length - quiet.length;
  const since = newestS ? `The newest round is ${age(Math.abs(waitedMs))} old.` : "No round is known.";
  if (link === "lost") return { word: "not live", tone: "lost", text: "The oracle does not answer. What is shown may be old; trying again.", since };
  if (link === "connecting") return { word: "connecting", tone: "connecting" };
  const why = isNode ? "This node is behind, or nobody seals" : "No rounds are made";
  if (late) return { word: "not live", tone: "lost", text: `${why}: no price here is current.`, since };
  if (all && !current) return { word: "no current price", tone: "lost", text: `None of ${counted(all, "feed")} has a current price: ${commonest(quiet, missing)}` };
  if (current < all) return { word: `${current} of ${all} current`, tone: "partly" };
  return { word: "live", tone: "open" };
}

function commonest(quiet, missing) {
  const texts = [...quiet.map((p) => p.abstaining.text), ...missing.map((m) => m.text)];
  const tally = new Map();
  for (const text of texts) tally.set(text, (tally.get(text) ?? 0) + 1);
  const [[text, n]] = [...tally].sort((a, b) => b[1] - a[1]);
  return n === texts.length ? text : `${text} (${n} of ${texts.length}), and other reasons`;
}

export function tallyOf(words) {
  const tally = new Map();
  for (const word of words) tally.set(word, (tally.get(word) ?? 0) + 1);
  return [...WORDS].reverse().filter((w) => tally.has(w)).map((w) => [w, tally.get(w)]);
}

export const said = (word) => NAMES[word] ?? word;

/** The tab says it too: who has forty of them open sees this alone. */
export function sound(verdict, tally) {
  const [worst, n] = tally[0] ?? ["ok", 0];
  const isLost = verdict.tone === "lost";
  const words = isLost ? verdict.word.toUpperCase() : n ? `${n} ${said(worst)}` : "";
  const loud = isLost || WORDS.indexOf(worst) > 1 ? "! " : "";
  const title = `${loud}${words ? `${words} · ` : ""}lrt-oracle`;
  if (document.title !== title) document.title = title;
  const icon = `page/${isLost ? "icon-lost.svg" : ICONS[worst]}`;
  if ($("icon").getAttribute("href") !== icon) $("icon").setAttribute("href", icon);
  const shown = $("link");
  if (shown.textContent !== verdict.word) shown.textContent = verdict.word;
  shown.className = `link ${verdict.tone}`;
  document.body.dataset.tone = verdict.tone;
  say(verdict);
}

/** The reason is read aloud once; the age that grows beside it is not. */
function say({ text = "", since = "" }) {
  $("banner").hidden = !text;
  if ($("banner-text").textContent !== text) $("banner-text").textContent = text;
  $("banner-age").textContent = since;
}
