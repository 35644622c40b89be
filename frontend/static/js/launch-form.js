// The button says what it creates, and a double click creates one site. Where that comes in a new tab,
// this one goes on to the visitor's sites: to its clock, its login, and the ways to renew it.
import { serverNow } from "./clock.js";

const LOOKS = 60; // then whoever comes back may try again
const BETWEEN = 500; // milliseconds
const SLACK = 2000; // milliseconds by which the server's clock and ours may differ
const form = document.querySelector("form[data-launch]");
const button = form?.querySelector("button.primary");

function label() {
  const chosen = form.querySelector("[name=distribution]:checked, [name=distribution][type=hidden]");
  const words = button.querySelector("[data-says]");
  const name = chosen?.dataset.name;
  if (name && words) words.textContent = button.dataset.label.replace("{name}", name);
}

async function follow(since) {
  for (let look = 0; look < LOOKS; look += 1) {
    await new Promise((resolve) => setTimeout(resolve, BETWEEN));
    const answer = await fetch("/api/v1/instances").catch(() => undefined);
    const { instances } = answer?.ok ? await answer.json() : { instances: [] };
    const created = instances.find((each) => Date.parse(each.created_at) >= since);
    if (created) return location.assign(`/sites#site-${created.id}`);
  }
  button.ariaBusy = "false";
}

form?.addEventListener("change", label);
form?.addEventListener("submit", (event) => {
  if (button.ariaBusy === "true") return event.preventDefault();
  button.ariaBusy = "true";
  if (form.target) follow(serverNow() - SLACK);
});
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload(); // there may be a new site since
  if (!form) return;
  button.ariaBusy = "false";
  label();
});
