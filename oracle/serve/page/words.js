/* How figures, ages and times are written, and whose clock they are by. */

const clock = { offsetMs: 0 };

/** This machine's clock, corrected by the oracle's where they are seconds apart. */
export const nowMs = () => Date.now() + clock.offsetMs;

export function setClock(statedMs) {
  if (Math.abs(statedMs - Date.now()) > 2000) clock.offsetMs = statedMs - Date.now();
}

/** Decimal text cut to what is worth reading. The exact text stays in the cell's title. */
export function short(text) {
  if (text === null || text === undefined) return "none";
  const [whole, fraction = ""] = text.split(".");
  if (whole.length > 1) return `${Number(whole).toLocaleString("en")}.${fraction.padEnd(2, "0").slice(0, 2)}`;
  return `${whole}.${fraction.padEnd(6, "0").slice(0, 6)}`;
}

/** An amount of base units: whole where it is large. */
export function amount(text) {
  if (text === null || text === undefined) return "none";
  const value = Number(text);
  return value.toLocaleString("en", { maximumFractionDigits: value >= 100 ? 0 : value >= 1 ? 2 : 4 });
}

export function percent(bps) {
  if (bps === null || bps === undefined) return "none";
  return `${bps > 0 ? "+" : ""}${(bps / 100).toFixed(2)} %`;
}

export function age(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} d`;
}

export const time = (ms) => new Date(ms).toLocaleTimeString("en-GB");

/** A moment of today as its time, any other with its day. */
export function moment(ms) {
  const at = new Date(ms);
  const isToday = at.toDateString() === new Date(nowMs()).toDateString();
  return isToday ? time(ms) : at.toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
}

export const counted = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;
const inPath = (feed) => feed.split("/").map(encodeURIComponent).join("/");
export const pathOf = (feed) => `v1/prices/${inPath(feed)}`;
export const addressOf = (feed) => `#/feed/${inPath(feed)}`;
