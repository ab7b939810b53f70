/* What a node says of itself: whom it follows, how far behind it is. An operator's process has nothing of it. */

import { $, el, show } from "./dom.js";
import { counted } from "./words.js";

function sourceText(s) {
  const refused = s.refused ? `, ${counted(s.refused, "round")} refused` : "";
  if (!s.connected) return `${s.name}: not connected${refused}`;
  if (s.round === null) return `${s.name}: no round yet${refused}`;
  return `${s.name}: ${s.behind_rounds ? `${counted(s.behind_rounds, "round")} behind` : "up to date"}${refused}`;
}

const isWell = (s) => s.connected && s.round !== null && s.behind_rounds < 3 && !s.refused;

export function drawNode(node) {
  $("node").hidden = !node;
  if (!node) return;
  const behind = node.behind_rounds;
  const text = behind === null ? "This node has verified no round yet" : behind ? `This node is ${counted(behind, "round")} behind` : "This node is up to date";
  $("node-text").textContent = `${text}. It verifies what operators sealed, and follows`;
  show($("node-sources"), node.sources.map((s) => el("li", sourceText(s), isWell(s) ? "" : "loud")));
}
