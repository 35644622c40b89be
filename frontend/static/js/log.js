// The container's output while one waits: fetched when it is opened, and again every two seconds.
const drawer = document.querySelector("[data-log]");
const lines = drawer.querySelector("pre");
const SHOWN = 40;
let timer;

async function show() {
  const answer = await fetch(`/api/v1/instances/${drawer.dataset.log}/logs`).catch(() => undefined);
  if (!answer?.ok) return;
  const text = (await answer.text()).trimEnd().split("\n").slice(-SHOWN).join("\n");
  const below = lines.scrollTop + lines.clientHeight >= lines.scrollHeight - 4;
  lines.textContent = text || lines.dataset.empty;
  if (below) lines.scrollTop = lines.scrollHeight;
}

function follow() {
  clearInterval(timer);
  lines.hidden = !drawer.open;
  if (!drawer.open) return;
  show();
  timer = setInterval(show, 2000);
}

drawer.addEventListener("toggle", follow);
follow();
