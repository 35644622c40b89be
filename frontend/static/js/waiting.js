// The waiting page, live: true stages with their times, then on to the site, or to what went wrong.
import { about, elapsed, serverNow } from "./clock.js";
import { watch } from "./watch.js";

const launch = document.querySelector("[data-instance]");
const status = launch.querySelector("[role=status]");
const estimate = launch.querySelector("[data-estimate]");
const stages = [...launch.querySelectorAll("[data-stage]")];
const since = Date.parse(launch.dataset.since);
let latest;

watch(launch.dataset.instance, (instance) => {
  if (instance.state === "ready") location.assign(instance.url); // "Back" leads to its login
  else if (!["queued", "starting"].includes(instance.state)) location.reload();
  latest = instance;
  show(instance);
});
setInterval(() => latest && showTime(latest), 100);

function show(instance) {
  const at = stages.findIndex((item) => item.dataset.stage === instance.stage);
  stages.forEach((item, place) => {
    item.dataset.state = place < at ? "done" : place === at ? "current" : "ahead";
    item.ariaCurrent = place === at ? "step" : null;
    item.querySelector(".news").textContent = place === at ? news(instance) : "";
    const spent = instance.timings[item.dataset.stage];
    const usual = place > at ? (item.dataset.usual ?? "") : "";
    item.querySelector(".time").textContent = place < at && spent !== undefined ? elapsed(spent) : usual;
  });
  const sentence = stages[at].dataset.sentence;
  if (status.textContent !== sentence) status.textContent = sentence;
  estimate.textContent = wait(instance);
  showTime(instance);
}

function showTime({ stage, timings }) {
  const item = stages.find((each) => each.dataset.stage === stage);
  const before = Object.entries(timings).reduce((sum, [key, time]) => sum + (key === stage ? 0 : time), 0);
  item.querySelector(".time").textContent = elapsed((serverNow() - since) / 1000 - before);
}

/** As words.py has it. */
function wait({ state, estimate: seconds }) {
  if (!seconds) return state === "queued" ? "Nobody can say yet when a place will be free." : "";
  const [usual, atWorst] = [about(seconds.usual), about(seconds.at_worst)];
  return `Ready in about ${usual}${atWorst === usual ? "." : `, ${atWorst} at worst.`}`;
}

function news({ queue_position: position, detail }) {
  return position ? `number ${position} in the queue` : (detail ?? "");
}
