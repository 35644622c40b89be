// Shows the address that the typed name gives, by the rules of `site_name` in naming.py.
import { filled } from "./clock.js";

const field = document.querySelector("#name");
const preview = document.querySelector("[data-preview-name]");
const longest = Number(field.dataset.longest);

function slug(typed) {
  const ascii = typed.normalize("NFKD").replace(/[^\x00-\x7f]/g, "").toLowerCase();
  return ascii.replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "");
}

function complaint(typed, name) {
  if (!typed.trim()) return "";
  if (!name) return field.dataset.noLetter;
  return name.length > longest ? filled(field.dataset.tooLong, { length: name.length, longest }) : "";
}

function show() {
  const name = slug(field.value);
  field.setCustomValidity(complaint(field.value, name));
  preview.textContent = name ? `${name.slice(0, longest)}-` : "";
}

field.addEventListener("input", () => {
  field.removeAttribute("aria-invalid");
  show();
});
show();
