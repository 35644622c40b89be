// A notification five minutes before a site's end, for visitors who ask for it.
import { serverNow } from "./clock.js";

const BEFORE = 5 * 60 * 1000;
const LONGEST = 2 ** 31 - 1; // what setTimeout takes

for (const notice of "Notification" in window ? document.querySelectorAll("[data-notifier]") : []) {
  const clock = notice.closest(".box").querySelector("[data-countdown]");
  const wait = () => Date.parse(clock.dataset.countdown) - BEFORE - serverNow();
  if (wait() > 0) offer(notice, wait);
}

function offer(notice, wait) {
  notice.hidden = false;
  if (Notification.permission !== "default") return settle(notice, wait);
  notice.firstElementChild.addEventListener("click", async () => {
    await Notification.requestPermission();
    for (const each of document.querySelectorAll("[data-notifier]:not([hidden])")) {
      each.dispatchEvent(new Event("answered"));
    }
  });
  notice.addEventListener("answered", () => settle(notice, wait));
}

function settle(notice, wait) {
  const { title, body, on, denied } = notice.dataset;
  if (Notification.permission === "default") return;
  notice.textContent = Notification.permission === "granted" ? on : denied;
  if (Notification.permission === "granted") {
    setTimeout(() => tell(title, body), Math.min(wait(), LONGEST));
  }
}

function tell(title, body) {
  const told = new Notification(title, { body, tag: title });
  told.addEventListener("click", () => {
    focus(); // here are the ways to renew and to download it
    told.close();
  });
}
