// The button says what it creates, and a double click creates one site.
const form = document.querySelector("form[data-launch]");
const button = form?.querySelector("button.primary");

function label() {
  const chosen = form.querySelector("[name=distribution]:checked, [name=distribution][type=hidden]");
  const name = chosen?.dataset.name;
  if (name) button.textContent = button.dataset.label.replace("{name}", name);
}

form?.addEventListener("change", label);
form?.addEventListener("submit", (event) => {
  if (button.ariaBusy === "true") event.preventDefault();
  button.ariaBusy = "true";
});
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload(); // there may be a new site since
  if (!form) return;
  button.ariaBusy = "false";
  label();
});
