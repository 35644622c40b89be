// Clocks that run down: `data-countdown` is the end; the ring around one empties with it. A clock
// that has a warning says it once, in its box.
import { clockFace, serverNow } from "./clock.js";

const clocks = [...document.querySelectorAll("[data-countdown]")];

function tick() {
  for (const clock of clocks) {
    const left = (Date.parse(clock.dataset.countdown) - serverNow()) / 1000;
    clock.textContent = clockFace(left);
    warn(clock, left <= 60 ? "now" : left <= 300 ? "soon" : "calm");
    const ring = clock.parentElement.querySelector("[data-ring]");
    const share = Math.min(1, Math.max(0, left / Number(ring?.dataset.lifetime)));
    ring?.setAttribute("stroke-dasharray", `${100 * share} 200`);
  }
}

function warn(clock, urgency) {
  if (clock.dataset.urgency === urgency) return;
  clock.dataset.urgency = urgency;
  const words = clock.dataset[urgency];
  const warning = words && clock.closest(".box")?.querySelector("[data-warning]");
  if (!warning) return;
  warning.hidden = false; // before it speaks, or nobody is told
  warning.querySelector("[data-warning-words]").textContent = words;
}

tick();
setInterval(tick, 250);
