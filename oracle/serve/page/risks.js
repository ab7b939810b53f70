/* What a lender must know of the chosen feed: what is there, what the newest round showed, and what nobody has published. */

import { $, el } from "./dom.js";

/** What the newest round showed, and the lasting risk that says the same of a feed. */
const LASTING = { ONE_CHAIN_NOW: "SINGLE_CHAIN", ONE_RATE_READING_NOW: "SINGLE_RATE_READING" };

export function drawRisks(risk) {
  $("risks").hidden = !risk;
  $("risks").replaceChildren(...(risk ? risks(risk) : []));
}

/** An unknown is never left out, as it is not a no. */
function risks(risk) {
  const lasts = (f) => risk.flags.some((l) => l.code === LASTING[f.code] && l.of === f.of);
  const now = risk.live.facts.filter((f) => f.raised && !lasts(f));
  const unknown = [...risk.unknown, ...risk.live.facts.filter((f) => f.raised === null)];
  const parts = [el("h3", "Risks"), ...(now.length ? [riskList(now, "now")] : []), ...(risk.flags.length ? [riskList(risk.flags, "flag")] : [])];
  if (!now.length && !risk.flags.length) parts.push(el("p", unknown.length ? "None is known." : "None is known, and nothing is unknown.", "muted"));
  if (unknown.length) {
    const open = $("risks").querySelector("details")?.open ?? false;
    const more = el("details");
    more.open = open;
    more.append(el("summary", `${unknown.length} not known`), riskList(unknown, "unknown"));
    parts.push(more);
  }
  return parts;
}

function riskList(facts, className) {
  const list = el("ul", null, className);
  list.append(...facts.map((f) => {
    const item = el("li");
    item.title = f.code;
    if (!f.text.includes(f.of)) item.append(el("span", f.of, "of"), " ");
    item.append(f.text);
    if (f.source.length) item.append(" ", el("small", f.source.join(", ")));
    return item;
  }));
  return list;
}
