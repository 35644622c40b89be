// Loads the page of one's sites again when one of them has changed: asked for every five seconds,
// or two while one is on its way, since a browser keeps only six streams open.
const shown = [...document.querySelectorAll("[data-site]")].map(({ dataset }) => dataset);
const settled = shown.every(({ state }) => state === "ready");

async function look() {
  if (document.hidden && settled) return; // one that is on its way may be in another tab
  const answer = await fetch("/api/v1/instances").catch(() => undefined);
  if (!answer?.ok) return;
  const { instances } = await answer.json();
  const now = new Map(instances.map((each) => [each.id, each]));
  const same = ({ site, state, expires }) =>
    now.get(site)?.state === state && Date.parse(now.get(site).expires_at) === Date.parse(expires);
  if (now.size !== shown.length || !shown.every(same)) location.reload();
}

setInterval(look, settled ? 5000 : 2000);
