// Times in the visitor's own zone and habit; the server writes them in UTC.
import { locale } from "./clock.js";

export function localise(root) {
  for (const time of root.querySelectorAll("time[data-local]")) {
    const when = new Date(time.dateTime);
    const today = when.toDateString() === new Date().toDateString();
    const clock = { hour: "2-digit", minute: "2-digit" };
    if ("seconds" in time.dataset) clock.second = "2-digit";
    time.textContent = today
      ? when.toLocaleTimeString(locale, clock)
      : when.toLocaleString(locale, { day: "numeric", month: "long", year: "numeric", ...clock });
  }
}

localise(document);
