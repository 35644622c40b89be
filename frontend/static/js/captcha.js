// Proves that a launch is no spam while its visitor reads, so that the click is instant.
// Where that fails, the form goes without it, and the server lets it wait (`patience`).
const FRESH = 8 * 60 * 1000; // milliseconds; the server takes a proof for ten minutes
const form = document.querySelector("form[data-launch]");
const field = form.elements.captcha;
let solvedAt, solving, sending;

async function prove() {
  field.value = "";
  try {
    const { challenge } = await (await fetch("/api/v1/captcha")).json();
    const number = await solve(challenge);
    field.value = btoa(JSON.stringify({ ...challenge, number }));
    solvedAt = Date.now();
  } catch (error) {
    console.info("no proof of work", error);
  }
}

function solve(challenge) {
  const worker = new Worker(new URL("captcha-worker.js", import.meta.url), { type: "module" });
  const number = new Promise((found, failed) => {
    worker.addEventListener("message", ({ data }) => found(data));
    worker.addEventListener("error", failed);
  });
  worker.postMessage(challenge);
  return number.finally(() => worker.terminate());
}

form.addEventListener("submit", async (event) => {
  if (field.value && Date.now() - solvedAt < FRESH) return;
  event.preventDefault();
  if (sending) return;
  sending = true;
  if (field.value) solving = prove();
  await solving;
  // So long after the click, a browser may take a new tab for a popup, and show nothing at all.
  if (!navigator.userActivation?.isActive) form.target = "";
  form.submit();
});
solving = prove();
