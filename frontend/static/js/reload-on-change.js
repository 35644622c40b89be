// Loads the page again when the instance has ended, or was renewed elsewhere.
import { watch } from "./watch.js";

const { watch: id, expires, state = "ready" } = document.querySelector("[data-watch]").dataset;

watch(id, (instance) => {
  const renewed = expires && Date.parse(instance.expires_at) !== Date.parse(expires);
  if (instance.state !== state || renewed) location.reload();
});
