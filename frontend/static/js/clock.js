// The server's time: the page says what it was when the answer left, however wrong our own clock is.
const { lang } = document.documentElement;

/** The page's language, as the visitor's country has it. */
export const locale = navigator.languages.find((each) => each.split("-")[0] === lang) ?? lang;

const [navigation] = performance.getEntriesByType("navigation");
const answeredAt = performance.timeOrigin + (navigation?.responseStart ?? 0);
const ahead = Date.parse(document.documentElement.dataset.now) - answeredAt;

/** Milliseconds since 1970, by the server's clock. */
export const serverNow = () => Date.now() + ahead;

/** "39:12" or "1:02:05". */
export function clockFace(seconds) {
  const two = (number) => String(number).padStart(2, "0");
  const whole = Math.max(0, Math.ceil(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

const tenths = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** "0.4 s", "12 s" or "2:05", as words.py has it. */
export function elapsed(seconds) {
  if (seconds < 9.95) return `${tenths.format(Math.max(0, seconds))} s`;
  return seconds < 59.5 ? `${Math.round(seconds)} s` : clockFace(Math.round(seconds));
}

/** "25 seconds", "2 minutes", "3 hours", as words.py has it, or else what a second is called. */
export function about(seconds, aSecond) {
  for (const [size, unit] of [[3600, "hour"], [60, "minute"], [1, "second"]]) {
    if (seconds < 1.5 * size) continue;
    const words = new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "long" });
    return words.format(Math.round(seconds / size));
  }
  return aSecond;
}

/** A text of ours with its {names} filled in. */
export const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
