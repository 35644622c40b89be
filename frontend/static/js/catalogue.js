// Search and category act while one types; without this module they are a form.
const finder = document.querySelector("[data-finder]");
const cards = [...document.querySelectorAll("[data-words]")];
const found = document.querySelector("[data-found]");
const complete = !found.textContent; // the server has left none out

if (finder && complete) {
  const [query, category] = finder.querySelectorAll("input, select");
  finder.querySelector("[data-go]").hidden = true;
  finder.addEventListener("input", () => find(query.value, category.value));
  query.form.addEventListener("submit", (event) => {
    event.preventDefault(); // Enter goes on to what was found
    cards.find((card) => !card.hidden && card.querySelector(":checked"))?.querySelector("input").focus();
  });
  find(query.value, category.value); // what the browser has kept from before
}

/** As cards.py has it. */
function find(query, category) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  for (const card of cards) {
    const fits = words.every((word) => card.dataset.words.includes(word));
    card.hidden = !fits || (category !== "" && card.dataset.category !== category);
  }
  const shown = cards.filter((card) => !card.hidden);
  found.textContent = words.length || category ? told(shown.length) : "";
  choose(shown);
}

function told(count) {
  const { one, other, none } = found.dataset;
  return count ? (count === 1 ? one : other).replace("{n}", count) : none;
}

/** What one sees is what one creates. */
function choose(shown) {
  const picks = shown.map((card) => card.querySelector("input:enabled")).filter(Boolean);
  if (!picks.length || picks.some((pick) => pick.checked)) return;
  picks[0].checked = true;
  picks[0].dispatchEvent(new Event("change", { bubbles: true }));
}
