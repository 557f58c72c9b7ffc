// A version's page that follows along: asks every two seconds while it is looked at, and puts
// in what changed, but nothing under somebody's hands.
"use strict";
(() => {
  const EVERY = 2000; // milliseconds
  const PATIENCE = 5; // times as long as the server took: a busy one is asked more rarely
  const page = document.querySelector("[data-live-url]");
  const line = document.querySelector("[data-spoken]");
  if (!page || page.dataset.settled === "1") return;

  function inUse(part) {
    return part.contains(document.activeElement);
  }

  function opened(part) {
    return [...part.querySelectorAll("details")].map((each) => each.open);
  }

  function put(part, html) {
    const open = opened(part);
    part.innerHTML = html;
    part.querySelectorAll("details").forEach((each, at) => { each.open ||= Boolean(open[at]); });
  }

  // Whether what is shown is what was sent.
  function update(name, { key, html }) {
    const part = page.querySelector(`[data-part=${name}]`);
    if (part.dataset.key === key) return true;
    if (inUse(part)) return false;
    if (name === "moves") part.innerHTML = html; // other moves: what was open is not among them
    else put(part, html);
    part.dataset.key = key;
    return true;
  }

  // Whether there is nothing more to follow.
  async function look() {
    const answer = await fetch(page.dataset.liveUrl, { headers: { Accept: "application/json" } });
    if (!answer.ok || answer.redirected) return false;
    const { parts, spoken, settled } = await answer.json();
    const shown = Object.entries(parts).map(([name, part]) => update(name, part));
    if (line.textContent !== spoken) line.textContent = spoken;
    return settled && shown.every(Boolean);
  }

  async function follow() {
    const began = performance.now();
    let over = false;
    try { over = !document.hidden && await look(); } catch { /* the next round asks again */ }
    if (!over) setTimeout(follow, Math.max(EVERY, PATIENCE * (performance.now() - began)));
  }

  setTimeout(follow, EVERY);
})();
