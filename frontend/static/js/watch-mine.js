// Loads the page of one's sites again when one of them has changed: asked for every five seconds
// while somebody looks, since a browser keeps only six streams open.
const shown = [...document.querySelectorAll("[data-site]")].map(({ dataset }) => dataset);

async function look() {
  if (document.hidden) return;
  const answer = await fetch("/api/v1/instances").catch(() => undefined);
  if (!answer?.ok) return;
  const { instances } = await answer.json();
  const now = new Map(instances.map((each) => [each.id, each]));
  const same = ({ site, state, expires }) =>
    now.get(site)?.state === state && Date.parse(now.get(site).expires_at) === Date.parse(expires);
  if (now.size !== shown.length || !shown.every(same)) location.reload();
}

setInterval(look, 5000);
