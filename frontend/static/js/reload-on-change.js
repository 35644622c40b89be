// Loads the page again when an instance has ended, or was renewed elsewhere.
import { watch } from "./watch.js";

for (const { dataset } of document.querySelectorAll("[data-watch]")) {
  const { watch: id, expires, state = "ready" } = dataset;
  watch(id, (instance) => {
    const renewed = expires && Date.parse(instance.expires_at) !== Date.parse(expires);
    if (instance.state !== state || renewed) location.reload();
  });
}
