// An instance's changes, as the server tells them; `changed` gets each instance document.
export function watch(id, changed) {
  const source = new EventSource(`/api/v1/instances/${id}/events`);
  source.addEventListener("instance", (event) => changed(JSON.parse(event.data)));
  source.addEventListener("end", () => source.close());
  source.addEventListener("error", () => {
    // Broken lines are joined again by the browser. A refusal is final: let the page find out.
    if (source.readyState === EventSource.CLOSED) setTimeout(reloadOnceItAnswers, 2000);
  });
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => event.persisted && location.reload());
}

/** While the service is being replaced, the page that is there is better than the proxy's. */
async function reloadOnceItAnswers() {
  const answer = await fetch("/healthz").catch(() => null);
  if (answer?.ok) location.reload();
  else setTimeout(reloadOnceItAnswers, 2000);
}
