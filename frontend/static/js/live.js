// Shows what the page would say by now, every so many seconds, until somebody stops it. Only the
// part that lives is replaced, and what had the focus in it has it again; while one presses, selects
// or is at something that could not be found again, it stays as it is.
import { localise } from "./local-time.js";

const live = document.querySelector("[data-live]");
let running = true;

async function look() {
  if (!running || document.hidden) return;
  const answer = await fetch(location.href, { redirect: "manual" }).catch(() => undefined);
  if (answer?.type === "opaqueredirect") return location.reload(); // signed out
  if (!answer?.ok || !running) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("[data-live]");
  if (!fresh) location.reload();
  else if (!isInUse()) show(fresh);
}

const focusedInside = () => (live.contains(document.activeElement) ? document.activeElement : null);

const isInUse = () =>
  live.querySelector(":active") !== null ||
  !getSelection().isCollapsed ||
  focusedInside()?.id === "";

function show(fresh) {
  const focused = focusedInside()?.id;
  const scrolled = [...live.querySelectorAll(".scroll")].map((each) => each.scrollLeft);
  const unfolded = [...live.querySelectorAll("details")].map((each) => each.open);
  live.replaceChildren(...fresh.childNodes);
  prepare();
  live.querySelectorAll(".scroll").forEach((each, at) => (each.scrollLeft = scrolled[at] ?? 0));
  live.querySelectorAll("details").forEach((each, at) => (each.open = unfolded[at] ?? each.open));
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

function prepare() {
  localise(live);
  live.querySelector("[data-look-again]").hidden = true;
  const button = live.querySelector("[data-live-switch]");
  button.hidden = false;
  button.textContent = running ? button.dataset.stop : button.dataset.goOn;
  button.addEventListener("click", () => {
    running = !running;
    button.textContent = running ? button.dataset.stop : button.dataset.goOn;
    look();
  });
}

prepare();
setInterval(look, Number(live.dataset.live) * 1000);
addEventListener("visibilitychange", look);
