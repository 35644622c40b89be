// Clocks that run down: `data-countdown` is the end; a ring beside one empties with it.
import { clockFace, serverNow } from "./clock.js";

const clocks = [...document.querySelectorAll("[data-countdown]")];
const ring = document.querySelector("[data-ring]");
const warning = document.querySelector("[data-warning]");
const WARNINGS = { soon: "Less than five minutes are left.", now: "Less than a minute is left." };

function tick() {
  for (const clock of clocks) {
    const left = (Date.parse(clock.dataset.countdown) - serverNow()) / 1000;
    const urgency = left <= 60 ? "now" : left <= 300 ? "soon" : "calm";
    clock.textContent = clockFace(left);
    if ("reload" in clock.dataset) follow(left, urgency, clock);
  }
}

function follow(left, urgency, clock) {
  if (clock.dataset.urgency !== urgency) {
    clock.dataset.urgency = urgency;
    warning.textContent = WARNINGS[urgency] ?? "";
  }
  const share = Math.min(1, Math.max(0, left / Number(ring.dataset.lifetime)));
  ring.setAttribute("stroke-dasharray", `${100 * share} 200`);
}

tick();
setInterval(tick, 250);
