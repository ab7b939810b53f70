/* Light or dark: as the system has it until the reader says otherwise. Runs before anything is drawn, so it is not a module. */

(() => {
  const KEY = "lrt-oracle.theme";
  const NEXT = { system: "light", light: "dark", dark: "system" };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let chosen = "system";
  try { chosen = localStorage.getItem(KEY) ?? "system"; } catch { /* not allowed to keep anything: the system's it is */ }
  if (!(chosen in NEXT)) chosen = "system";

  function put() {
    const is = chosen === "system" ? (dark.matches ? "dark" : "light") : chosen;
    document.documentElement.dataset.theme = is;
    const button = document.getElementById("theme");
    if (button) button.textContent = `${chosen[0].toUpperCase()}${chosen.slice(1)}`;
    document.dispatchEvent(new Event("themechange"));
  }

  dark.addEventListener("change", put);
  document.addEventListener("DOMContentLoaded", () => {
    put();
    document.getElementById("theme").addEventListener("click", () => {
      chosen = NEXT[chosen];
      try { localStorage.setItem(KEY, chosen); } catch { /* it holds until the page is left */ }
      put();
    });
  });
  put();
})();
