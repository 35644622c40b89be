// The waiting page, live: true stages with their times, then on to the site, or to what went wrong.
import { about, elapsed, filled, serverNow } from "./clock.js";
import { watch } from "./watch.js";

const launch = document.querySelector("[data-instance]");
const status = launch.querySelector("[role=status]");
const estimate = launch.querySelector("[data-wait]");
const stages = [...launch.querySelectorAll("[data-stage]")];
const since = Date.parse(launch.dataset.since);
const texts = launch.dataset;
let latest;

history.replaceState(history.state, "", `/instances/${texts.instance}`); // not `…/go`: see arrive

watch(texts.instance, (instance) => {
  latest = ["queued", "starting"].includes(instance.state) ? instance : undefined;
  show(instance);
  if (instance.state === "ready") arrive(instance.login?.link ?? instance.url);
  else if (!latest) location.reload();
});
setInterval(() => latest && showTime(latest), 100);

/** The link signs in, once. "Back" leads to its login. Who looks elsewhere sees it in the tab, and is taken there on return. */
function arrive(url) {
  document.title = texts.titleReady;
  document.querySelector("link[rel=icon]").href = texts.iconReady;
  if (!document.hidden) return location.assign(url);
  document.addEventListener("visibilitychange", () => location.assign(url), { once: true });
}

function show(instance) {
  const at = stages.findIndex((item) => item.dataset.stage === instance.stage);
  stages.forEach((item, place) => {
    item.dataset.state = place < at ? "done" : place === at ? "current" : "ahead";
    item.ariaCurrent = place === at ? "step" : null;
    showNews(item.querySelector(".news"), place === at ? instance : {});
    const spent = instance.timings[item.dataset.stage];
    const usual = place > at ? (item.dataset.usual ?? "") : "";
    item.querySelector(".time").textContent = place < at && spent !== undefined ? elapsed(spent) : usual;
  });
  const sentence = stages[at].dataset.sentence;
  if (status.textContent !== sentence) status.textContent = sentence;
  estimate.textContent = wait(instance);
  if (latest) showTime(latest);
}

function showTime({ stage, timings, queue_position: position }) {
  const item = stages.find((each) => each.dataset.stage === stage);
  const before = Object.entries(timings).reduce((sum, [key, time]) => sum + (key === stage ? 0 : time), 0);
  item.querySelector(".time").textContent = elapsed((serverNow() - since) / 1000 - before);
  document.title = position ? filled(texts.titleQueued, { position }) : texts.title;
}

/** As words.py has it. */
function wait({ state, estimate: seconds }) {
  if (!seconds) return state === "queued" ? texts.unknown : "";
  const usual = about(seconds.usual, texts.aSecond);
  const atWorst = about(seconds.at_worst, texts.aSecond);
  return filled(usual === atWorst ? texts.estimate : texts.estimateAtWorst, { usual, at_worst: atWorst });
}

/** What the engine says is in English. */
function showNews(line, { queue_position: position, detail }) {
  line.textContent = position ? filled(texts.position, { position }) : (detail ?? "");
  line.lang = detail && !position ? "en" : document.documentElement.lang;
}
