/* The keyboard: what each key does is in one table, which the page shows as well. */

import { $, el } from "./dom.js";

/**
 * @param acts what can be done: filter, back, step(by), span(n)
 */
export function listen(acts) {
  const keys = [
    ["/", "filter the feeds", () => $("filter").focus()],
    ["j", "next feed", () => acts.step(1)],
    ["k", "previous feed", () => acts.step(-1)],
    ["1 to 4", "time range of the chart", null],
    ["t", "light, dark, or as the system has it", () => $("theme").click()],
    ["?", "these keys", () => $("keys").showModal()],
    ["Esc", "clear the filter; back to all feeds", () => acts.back()],
  ];
  $("key-rows").replaceChildren(...keys.flatMap(([key, text]) => [el("dt", key), el("dd", text)]));
  $("help").addEventListener("click", () => $("keys").showModal());
  $("keys-close").addEventListener("click", () => $("keys").close());
  $("skip").addEventListener("click", (e) => { e.preventDefault(); acts.skip(); });
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || $("keys").open) return;
    const isTyping = e.target.matches("input, select, textarea");
    if (isTyping && e.key !== "Escape") return;
    if ("1234".includes(e.key)) return acts.span(Number(e.key) - 1);
    const name = e.key === "Escape" ? "Esc" : e.key;
    const act = keys.find(([key]) => key === name)?.[2];
    if (!act) return;
    e.preventDefault();
    if (isTyping) e.target.blur();
    act();
  });
}
