/* What the page asks about the chosen feed: each kind once at a time, and not more often than it is worth. */

export class Asked {
  /**
   * @param pathOf the path for a feed
   * @param take gets the feed, the answer (null: there is none) and why there is none
   * @param everyMs how old an answer may be
   */
  constructor(pathOf, take, everyMs) {
    Object.assign(this, { pathOf, take, everyMs, feed: null, at: 0, running: null });
  }

  async ask(feed, { now = false } = {}) {
    const isFresh = feed === this.feed && performance.now() - this.at < this.everyMs;
    if (this.running === feed || (isFresh && !now)) return;
    this.running = feed;
    let body = null, why = "";
    try {
      const answer = await fetch(this.pathOf(feed), { cache: "no-cache" });
      const said = await answer.json();
      if (answer.ok) body = said;
      else why = said.error?.message ?? String(answer.status);
    } catch (problem) { why = problem.message; }
    if (this.running !== feed) return;
    Object.assign(this, { feed, at: performance.now(), running: null });
    this.take(feed, body, why);
  }

  /** Another feed is chosen: what is under way is for nobody. */
  forget() {
    Object.assign(this, { feed: null, running: null });
  }
}
