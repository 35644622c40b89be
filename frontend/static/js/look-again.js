// Looks every so many seconds whether the page would say something else by now, and loads it then.
const shown = (page) => page.querySelector("[data-shown]")?.dataset.shown;

async function look() {
  if (document.hidden) return;
  const answer = await fetch(location.href).catch(() => undefined);
  if (!answer) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (answer.status < 500 && shown(page) !== shown(document)) location.reload();
}

setInterval(look, Number(document.querySelector("[data-look-again]").dataset.lookAgain) * 1000);
