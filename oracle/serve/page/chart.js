/* The chart of one feed: market with its spread, redemption, and what the store on chain held, with the published status behind them. */

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const FONT = "12px system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif";

/** Digits after the point that tell two grid lines apart; a ratio near 1 shows at least four. */
export function digits(step, largest) {
  let needed = largest < 10 ? 4 : 2;
  while (needed < 10 && Math.abs(step * 10 ** needed - Math.round(step * 10 ** needed)) > 1e-6) needed += 1;
  return needed;
}

/** Columns for the chart from rounds of the history. A pause is a hole, and so is a halted round's repeated price. */
export function columns(rounds, held = []) {
  const at = [], market = [], redemption = [], status = [], low = [], high = [];
  const gap = 4 * pace(rounds);
  for (const r of rounds) {
    const repeated = r.status_only;
    if (at.length && r.round - at[at.length - 1] > gap) {
      at.push(at[at.length - 1] + gap / 4);
      market.push(null); redemption.push(null); status.push(null); low.push(null); high.push(null);
    }
    at.push(r.round);
    const paid = repeated || r.market === null ? null : Number(r.market);
    market.push(paid);
    low.push(paid === null ? null : paid * (1 - r.spread_bps / 10000));
    high.push(paid === null ? null : paid * (1 + r.spread_bps / 10000));
    redemption.push(repeated || r.redemption === null ? null : Number(r.redemption));
    status.push(r.status);
  }
  return { at, market, redemption, status, low, high, chain: stepped(at, held) };
}

/** What was held at each of these moments: the last that had landed by then. */
function stepped(at, held) {
  let next = 0, value = null;
  return at.map((t) => {
    while (next < held.length && held[next][0] <= t) value = held[next++][1];
    return value;
  });
}

function pace(rounds) {
  const steps = rounds.slice(1).map((r, i) => r.round - rounds[i].round).sort((a, b) => a - b);
  return steps.length ? steps[steps.length >> 1] : 10;
}

/** Stretches of one status: [from, to, status], only those that are worth a colour. */
function stretches({ at, status }) {
  const out = [];
  for (let i = 0; i < at.length; i++) {
    if (!status[i] || status[i] === "ok") continue;
    const last = out[out.length - 1];
    const end = i + 1 < at.length ? at[i + 1] : at[i];
    if (last && last.status === status[i] && last.to === at[i]) last.to = end;
    else out.push({ from: at[i], to: end, status: status[i] });
  }
  return out;
}

export class FeedChart {
  constructor(host, onReading) {
    this.host = host;
    this.onReading = onReading;
    this.plot = null;
    this.seen = columns([]);
    this.range = [0, 1];
    new ResizeObserver(() => this.fit()).observe(host);
  }

  show(rounds, fromS, toS, held) {
    this.seen = columns(rounds, held);
    this.range = [fromS, toS];
    if (!this.plot) this.rebuild();
    else this.plot.setData(this.data());
  }

  data() {
    return [this.seen.at, this.seen.market, this.seen.redemption, this.seen.chain, this.seen.high, this.seen.low];
  }

  size() {
    return { width: Math.max(200, this.host.clientWidth), height: Math.max(160, this.host.clientHeight) };
  }

  fit() {
    if (this.plot) this.plot.setSize(this.size());
  }

  rebuild() {
    if (!this.seen.at.length) return;
    if (this.plot) this.plot.destroy();
    const axis = { stroke: css("--muted"), font: FONT, grid: { stroke: css("--grid"), width: 1 }, ticks: { show: false } };
    const line = (label, colour, more) => ({ label, stroke: css(colour), width: 1.8, points: { show: false }, ...more });
    this.plot = new uPlot({
      ...this.size(),
      legend: { show: false },
      padding: [10, 4, 0, 6],
      cursor: { y: false, points: { size: 7 } },
      scales: { x: { time: true, range: () => this.range }, y: { range: (_, low, high) => this.span(low, high) } },
      axes: [
        { ...axis, space: 90, size: 30, gap: 6, values: (_, at, __, ___, step) => at.map((t) => clock(t, step)) },
        {
          ...axis, side: 1, gap: 8,
          values: (_, at, __, ___, step) => at.map((v) => v.toLocaleString("en", fixed(digits(step, Math.max(...at))))),
          size: (_, labels) => 18 + 7.2 * Math.max(0, ...(labels || []).map((l) => l.length)),
        },
      ],
      series: [
        {},
        line("market", "--market"),
        line("redemption", "--redemption", { dash: [6, 4], paths: uPlot.paths.stepped({ align: 1 }) }),
        line("on chain", "--chain", { dash: [2, 3], paths: uPlot.paths.stepped({ align: 1 }) }),
        line("high", "--market", { width: 0 }),
        line("low", "--market", { width: 0 }),
      ],
      bands: [{ series: [4, 5], fill: css("--spread-band") }],
      hooks: { drawClear: [(u) => this.paint(u)], setCursor: [(u) => this.read(u)] },
    }, this.data(), this.host);
  }

  /** Room above and below; never so little that noise in the last digit looks like news. */
  span(low, high) {
    if (low === null || high === null || !Number.isFinite(low)) return [0.99, 1.01];
    const middle = (low + high) / 2;
    const half = Math.max((high - low) / 2 * 1.15, Math.abs(middle) * 0.001);
    return [middle - half, middle + half];
  }

  paint(u) {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    for (const { from, to, status } of stretches(this.seen)) {
      const left = u.valToPos(from, "x", true), right = u.valToPos(to, "x", true);
      ctx.fillStyle = css(`--${status}-band`);
      ctx.fillRect(left, bbox.top, Math.max(1, right - left), bbox.height);
    }
    ctx.restore();
  }

  read(u) {
    const i = u.cursor.idx;
    if (i === null || i === undefined || u.cursor.left < 0 || !this.seen.status[i]) return this.onReading("");
    const { at, market, redemption, status, chain } = this.seen;
    const show = (v) => (v === null ? "none" : v.toLocaleString("en", fixed(v < 10 ? 6 : 2)));
    this.onReading(`${clock(at[i], 1)}  market ${show(market[i])}  redemption ${show(redemption[i])}${chain[i] === null ? "" : `  on chain ${show(chain[i])}`}  ${status[i]}`);
  }
}

const fixed = (n) => ({ minimumFractionDigits: n, maximumFractionDigits: n });

function clock(t, step) {
  const d = new Date(t * 1000);
  const two = (n) => String(n).padStart(2, "0");
  if (step >= 86400) return `${d.getMonth() + 1}/${d.getDate()}`;
  const minutes = `${two(d.getHours())}:${two(d.getMinutes())}`;
  return step < 60 ? `${minutes}:${two(d.getSeconds())}` : minutes;
}
