/* Stake: whose answers for the prices, what waits, what was lost and earned; and what secures one price. A chain is other people's
   writing: all of it stays text, and what nobody says is "not known". */

import { $, cell, el, show } from "./dom.js";

const ZERO = "0x" + "0".repeat(40);
const KINDS = { delegated: "delegated", symbiotic: "Symbiotic", eigenlayer: "EigenLayer", unknown: "a source of unknown kind" };
let known = null;
let told = "";
let readAt = 0;
const LONG = 9;

/** A sentence with its addresses cut: whole ones are in the document. */
const tersely = (text) => text.replace(/0x[0-9a-fA-F]{40}/g, short);

/** Wei as ether, with what is worth reading: never rounded up. */
export function ether(wei) {
  if (wei === null || wei === undefined) return "not known";
  const all = BigInt(wei);
  const whole = all / 10n ** 18n;
  if (all > 0n && all < 10n ** 14n) return "less than 0.0001 ETH";
  const part = (all % 10n ** 18n).toString().padStart(18, "0").slice(0, whole > 99n ? 2 : 4).replace(/0+$/, "");
  return `${whole.toLocaleString("en")}${part ? `.${part}` : ""} ETH`;
}

/** A weight as it is read best: a small one whole, one of wei as its share. */
export const weightOf = (weight, total) => (weight.length > LONG ? share(weight, total) : weight);

const percent = (bps) => `${(bps / 100).toFixed(2)} %`;
const DATE = { dateStyle: "medium", timeStyle: "medium" };
const when = (s) => (s === null ? "never" : s >= 2 ** 40 ? "for ever" : new Date(s * 1000).toLocaleString("en-GB", DATE));
const counted = (n, one) => `${n} ${one}${n === 1 ? "" : "s"}`;
/** Seconds since a reading that was this old when it came: it grows older until the next one comes. */
const grown = (ageS, at) => ageS + Math.floor((performance.now() - at) / 1000);
const short = (address) => `${address.slice(0, 8)}…${address.slice(-4)}`;

function ago(s) {
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  return s < 172800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} d`;
}

/** A line for a price; null where no store is. */
export function securedBy(price) {
  if (!told && !known) return null;
  if (price && !price.seal) return "signed by nobody";
  if (!known) return "security not known";
  if (!known.by_stake) return "not secured by stake";
  const stale = known.error ? `, read ${ago(grown(known.age_s, readAt))} ago` : "";
  return `secured by ${known.complete ? "" : "at least "}${ether(known.slashable_wei)}${stale}`;
}

// --- the section -----------------------------------------------------------------------------------------------------

function nameCell(o) {
  const name = el("th", o.name === o.operator ? short(o.operator) : o.name, "name");
  name.scope = "row";
  name.title = o.operator;
  if (o.here) name.append(el("small", "this process"));
  if (o.name !== o.operator) name.append(el("small", short(o.operator)));
  return name;
}

function whereCell(o) {
  const td = cell("Where", null, "said");
  for (const s of o.sources) {
    const of = s.stake_wei === null ? "does not answer" : ether(s.stake_wei);
    const line = el("small", `${KINDS[s.kind] ?? "another source"}: ${of}`, s.stake_wei === null ? "loud" : "");
    if (s.failed_at_freeze) line.append(", said nothing at the last freeze");
    if (s.tokens !== null && s.tokens !== "0") line.append(`, its own ${share(s.own_tokens, s.tokens)}`);
    if (s.vaults !== null) line.append(`, ${counted(s.vaults, "vault")}`);
    if (s.native_wei !== null && s.native_wei !== "0") line.append(`, of validators ${ether(s.native_wei)}`);
    if (s.leaving_tokens !== null && s.leaving_tokens !== "0") line.append(`, leaving ${share(s.leaving_tokens, s.tokens)}`);
    if (s.commission_bps !== null) line.append(`, commission ${percent(s.commission_bps)}`);
    if (s.commission_next) line.append(` (${percent(s.commission_next.bps)} from ${when(s.commission_next.at_s)})`);
    td.append(line);
  }
  return td;
}

function share(part, whole) {
  return BigInt(whole) === 0n ? "0 %" : percent(Number((BigInt(part) * 10000n) / BigInt(whole)));
}

const openCases = (o, cases) => cases.filter((c) => c.operator === o.operator && c.open).length;
const isCut = (o) => o.signs_with !== null && o.weight === "0";

/** In trouble first, then ours, then as they come: by weight and stake. */
function worstFirst(operators, cases) {
  const isBad = (o) => o.unread_sources > 0 || o.jailed_until_s !== null || isCut(o) || openCases(o, cases) > 0;
  return [...operators].sort((a, b) => isBad(b) - isBad(a) || b.here - a.here);
}

function stateCell(o, cases) {
  const td = cell("State", null, "said");
  const open = openCases(o, cases);
  if (isCut(o)) td.append(el("span", "cut from the set", "loud"));
  else td.append(el("span", o.signs_with ? "signs" : o.candidate ? "waits" : "no candidate", o.signs_with ? "" : "faint"));
  if (o.jailed_until_s !== null) td.append(el("small", o.jailed_until_s >= 2 ** 40 ? "in jail for ever" : `in jail until ${when(o.jailed_until_s)}`, "loud"));
  else if (o.why_not_next) td.append(el("small", `not in the next set: ${o.why_not_next}`));
  if (open) td.append(el("small", counted(open, "open case"), "loud"));
  if (o.unread_sources) td.append(el("small", `${o.unread_sources} of its sources did not answer`, "loud"));
  return td;
}

function rowOf(o, cases) {
  const row = el("tr", null, o.here ? "ours" : "");
  const weight = cell("Weight", o.weight === "0" ? "none" : percent(o.weight_bps), o.weight === "0" ? "num faint" : "num", o.weight);
  row.append(nameCell(o), cell("Stake", ether(o.stake_wei), "num", o.stake_wei),
    cell("Can be slashed", ether(o.slashable_wei), "num", o.slashable_wei), weight, whereCell(o), stateCell(o, cases));
  return row;
}

function warningsOf(stake) {
  const late = stake.at_s - stake.rotate_due_s;
  return [
    ...(stake.error ? [`the chain was read ${ago(grown(stake.age_s, readAt))} ago, and does not answer now: ${stake.error}`] : []),
    ...(stake.by_stake ? [] : ["the signers in force were named when the store was deployed, not by stake: nothing can be slashed of them for it"]),
    ...(stake.expires_s !== null && stake.expires_s <= stake.at_s ? ["the set in force has expired: it signs nothing any more"] : []),
    ...(stake.silent ? ["a freeze now would make no set: too few members, or less stake than T"] : []),
    ...(late > 3600 ? [stake.rotate_due_s ? `the next set could have been made ${ago(late)} ago: anybody may call rotate` : "no set was made by stake yet: anybody may call rotate"] : []),
    ...(stake.scheduled && !stake.scheduled.armed ? [`epoch ${stake.scheduled.epoch} waits for its members' signatures`] : []),
    ...stake.rewards.filter((e) => e.report_missing).map((e) => `epoch ${e.epoch} ended and was funded, and has no report of its rewards`),
  ];
}

function factsOf(stake) {
  return [
    ["Epoch", `${stake.epoch}${stake.by_stake ? "" : ", not by stake"}`],
    ["To seal", `${share(stake.threshold, stake.weight)} of the weight in force`],
    ["Expires", when(stake.expires_s)],
    ["Next set", stake.rotate_due_s <= stake.at_s ? "due now, by anybody" : `from ${when(stake.rotate_due_s)}`],
    ...(stake.scheduled ? [["Comes next", `epoch ${stake.scheduled.epoch}, ${when(stake.scheduled.at_s)}${stake.scheduled.armed ? "" : ", not armed"}`]] : []),
    ...(stake.next ? [["A freeze now", stake.silent ? "no set" : counted(stake.next.members, "member")]] : []),
    ["A member needs", ether(stake.least_stake_wei)],
    ["A lone lie costs", `${percent(stake.penalties.alone_bps)} of its stake`],
    ["Read", `${ago(grown(stake.age_s, readAt))} ago, block ${stake.block}`],
  ];
}

function caseText(c, names) {
  const state = { disputed: `disputed until ${when(c.dispute_until_s)}`, "given back": "given back" }[c.outcome] ?? `taken: ${ether(c.taken_wei)}`;
  return `${names.get(c.operator) ?? short(c.operator)} said two things in epoch ${c.epoch}: ${percent(c.fraction_bps)} of its stake put aside, ${state}`;
}

function epochText(e) {
  const asset = (p) => (p.asset === ZERO ? ether(p.funded) : `${p.funded} of ${short(p.asset)} in its smallest unit`);
  const paid = e.pots.filter((p) => p.funded !== "0");
  const funds = paid.map((p) => `${asset(p)}, ${p.claimed === null ? "rest rolled over" : `${share(p.claimed, p.funded)} claimed`}`).join("; ") || "nothing funded";
  const report = e.root ? `report ${when(e.posted_s)}` : e.report_missing ? "no report" : e.ended ? "no report needed" : "in force";
  return `epoch ${e.epoch}: ${funds}; ${report}`;
}

export function factBoxes(rows) {
  return rows.map(([name, value]) => {
    const box = el("div");
    box.append(el("dt", name), el("dd", value));
    return box;
  });
}

function listOf(title, texts, className) {
  const list = el("ul", null, className);
  list.append(...texts.map((text) => el("li", text)));
  return texts.length ? [el("h3", title), list] : [];
}

export function drawStake(stake, why) {
  known = stake;
  readAt = performance.now();
  told = why === "this process has no store" ? "" : why;
  $("stake").hidden = !stake;
  if (!stake) return;
  const members = stake.operators.filter((o) => o.weight !== "0").length;
  const least = stake.complete ? "" : "at least ", secures = stake.by_stake && stake.slashable_wei !== "0";
  const chips = [el("span", `${least}${ether(stake.slashable_wei)} can be slashed`, secures ? "chip ok" : "chip watch"), el("span", `${members} sign`, "chip none")];
  const waiting = stake.operators.filter((o) => o.candidate && !o.signs_with).length;
  if (waiting) chips.push(el("span", `${waiting} wait`, "chip none"));
  show($("stake-tally"), chips);
  show($("stake-rows"), worstFirst(stake.operators, stake.cases).map((o) => rowOf(o, stake.cases)));
  const names = new Map(stake.operators.filter((o) => o.name !== o.operator).map((o) => [o.operator, o.name]));
  show($("stake-lists"), [...listOf("Cases", stake.cases.map((c) => caseText(c, names)), "now"), ...listOf("Rewards", stake.rewards.map(epochText))]);
  ageStake();
}

/** What of the section grows old between two answers. */
export function ageStake() {
  if (!known) return;
  const warnings = warningsOf(known);
  $("stake-warnings").hidden = !warnings.length;
  show($("stake-warnings"), warnings.map((text) => el("li", text)));
  show($("stake-facts"), factBoxes(factsOf(known)));
}

// --- what secures one price ------------------------------------------------------------------------------------------

const inWords = (names) => (names.length ? names.join(", ") : "nobody");

/** One wrong, as a lender asks for it: who can do it, what they have, what is taken of them. */
function lieFact(title, cost, names) {
  if (!cost) return [title, "nothing answers for it"];
  if (cost.at_stake_wei === null) return [title, "nobody has the weight for it"];
  const taken = cost.lost_wei === "0" ? "nothing is taken for it" : `${ether(cost.lost_wei)} is taken once it is proven`;
  return [title, `${ether(cost.at_stake_wei)} at stake of those with least to lose (${inWords(cost.operators.map(names))}); ${taken}`];
}

function securityParts(s) {
  const byOperator = new Map(s.signers.filter((m) => m.operator).map((m) => [m.operator, m.name === m.key ? short(m.operator) : m.name]));
  const names = (operator) => byOperator.get(operator) ?? short(operator);
  const signed = s.signers.filter((m) => m.signed);
  const head = s.epoch === null ? [] : [["Signed by", `${signed.length} of ${s.signers.length}: ${share(s.signed_weight, s.signers.reduce((sum, m) => sum + BigInt(m.weight), 0n))} of the weight`]];
  const k = s.stake;
  const facts = k === null ? head : [...head,
    ["Can be slashed of all", `${k.complete ? "" : "at least "}${ether(k.slashable_wei)}`],
    lieFact("To seal two prices of one round", k.two_contents, names),
    lieFact("To seal one false price", k.false_price, names),
    lieFact("To move it by any step", k.any_price, names),
    lieFact("To stop it", k.silence, names),
    ["Others can slash too", ether(k.others_can_slash_wei)],
    ["Read", `${ago(k.age_s)} ago, block ${k.block}, epoch ${k.epoch}`],
  ];
  const boxes = el("dl", null, "facts");
  boxes.append(...factBoxes(facts));
  return [
    ...listOf("Not known", s.unknown, "now"),
    boxes,
    ...listOf("Signers of the last round", s.signers.map((m) => signerText(m))),
    ...listOf("What may be wrong with these figures", k === null ? [] : k.doubts.map(tersely), "unknown"),
  ];
}

function signerText(m) {
  const name = m.name === m.key ? short(m.key) : m.name;
  const stake = m.operator === null ? "nothing known of its stake" : `${m.complete ? "" : "at least "}${ether(m.slashable_wei)} can be slashed`;
  return `${name}: ${m.signed ? "signed" : "did not sign"}, ${stake}`;
}

/** Ask what secures a feed, and show it while it is still the one that is chosen. */
let wanted = null;
export async function showSecurity(feed, path) {
  wanted = feed;
  const body = $("security-body");
  if (body.dataset.feed !== feed) body.replaceChildren(el("p", "asking", "muted"));
  body.dataset.feed = feed;
  try {
    const answer = await fetch(`${path}/security`, { cache: "no-cache" });
    const said = await answer.json();
    if (wanted !== feed) return;
    if (!answer.ok) throw new Error(said.error.message);
    show(body, securityParts(said));
  } catch (problem) {
    if (wanted === feed) body.replaceChildren(el("p", `This could not be read: ${problem.message}`, "muted"));
  }
}
