// The terminal's page: draws what the shell says, sends what is typed, says what has happened.
import "./strict-styles.js";
import { connect } from "./terminal-line.js";

const box = document.querySelector("[data-terminal]");
const find = (name) => box.querySelector(`[data-${name}]`);
const [status, screen, again, back] = ["status", "screen", "again", "back"].map(find);
const texts = box.dataset;
const KEYS = {
  escape: "\x1b",
  tab: "\t",
  interrupt: "\x03",
  end: "\x04",
  up: "\x1b[A",
  down: "\x1b[B",
};
// Whatever the last shell has left: another screen, a reported mouse, a marked paste, colours.
const PLAIN = "\x1b[?1049l\x1b[?1000;1002;1003;1006;2004l\x1b[?1l\x1b[?25h\x1b[0m";
const READER = "distros-terminal-reader";

document.querySelector("[data-without-script]").hidden = true;
box.hidden = false;
const xterm = await Promise.all([
  import("../xterm/xterm.mjs"),
  import("../xterm/addon-fit.mjs"),
]).catch(() => undefined);
if (xterm) begin(xterm[0].Terminal, xterm[1].FitAddon);
else say(texts.missing, true);

function begin(Terminal, FitAddon) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const terminal = new Terminal({
    cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    fontFamily: colour("--mono"),
    fontSize: matchMedia("(max-width: 40rem)").matches ? 13 : 15,
    minimumContrastRatio: 4.5,
    screenReaderMode: localStorage.getItem(READER) === "on",
    scrollback: 5000,
    theme: theme(),
  });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(screen);
  terminal.textarea.setAttribute("aria-label", texts.input);
  terminal.textarea.setAttribute("aria-describedby", "terminal-keys");
  dark.addEventListener("change", () => (terminal.options.theme = theme()));

  let shells = 0;
  say(texts.connecting);
  const line = connect(texts.terminal, {
    opened() {
      if (shells++) terminal.write(`${PLAIN}\r\n\x1b[2m── ${texts.new} ──\x1b[0m\r\n`);
      fit.fit();
      line.resize(terminal.rows, terminal.cols);
      say(texts.connected);
    },
    said: (bytes, drawn) => terminal.write(bytes, drawn),
    renewed(moment) {
      const clock = document.querySelector("[data-countdown]");
      if (clock) clock.dataset.countdown = moment;
    },
    cut: (words) => say(words ? `${words.sentence} ${words.next}` : texts.cut),
    ended(words) {
      say(`${words.sentence} ${words.next}`, true);
      again.hidden = words.again === "never";
      back.hidden = !again.hidden;
      if (screen.contains(document.activeElement)) (again.hidden ? back : again).focus();
    },
    tooMuch: () => say(texts.tooMuch),
  });

  const type = (text) => line.type(new TextEncoder().encode(text));
  /** Ctrl+V pastes, and Ctrl+C copies what is selected, once; else it interrupts. */
  function isForTheBrowser({ type, ctrlKey, shiftKey, altKey, key }) {
    if (type !== "keydown" || !ctrlKey || shiftKey || altKey) return false;
    if (key !== "c" || !terminal.hasSelection()) return key === "v";
    setTimeout(() => terminal.clearSelection());
    return true;
  }

  terminal.onData(type);
  terminal.onBinary((text) => line.type(Uint8Array.from(text, (each) => each.charCodeAt(0))));
  terminal.onResize(({ rows, cols }) => line.resize(rows, cols));
  const leaves = leaving();
  terminal.attachCustomKeyEventHandler((event) => !leaves(event) && !isForTheBrowser(event));
  new ResizeObserver(() => requestAnimationFrame(() => fit.fit())).observe(screen);

  again.addEventListener("click", () => {
    line.open();
    say(texts.connecting);
    terminal.focus();
  });
  for (const key of box.querySelectorAll("[data-key]")) {
    key.addEventListener("click", () => {
      type(KEYS[key.dataset.key]);
      terminal.focus();
    });
  }
  const reader = find("reader");
  reader.checked = terminal.options.screenReaderMode;
  reader.addEventListener("change", () => {
    localStorage.setItem(READER, reader.checked ? "on" : "off");
    terminal.options.screenReaderMode = reader.checked;
  });
  terminal.focus();
}

/** Escape goes to the shell, but a Tab right after it goes on to the next button, as everywhere. */
function leaving() {
  let escaped = false;
  return (event) => {
    if (event.type !== "keydown" || event.key === "Shift") return false;
    const leaves = escaped && event.key === "Tab";
    escaped = event.key === "Escape";
    return leaves;
  };
}

function say(words, ended = false) {
  status.textContent = words;
  box.classList.toggle("ended", ended);
  if (!ended) again.hidden = back.hidden = true;
}

function colour(name) {
  return getComputedStyle(box).getPropertyValue(name).trim();
}

function theme() {
  const [background, foreground, cursor] = ["--surface", "--ink", "--accent"].map(colour);
  return {
    background,
    foreground,
    cursor,
    cursorAccent: background,
    selectionBackground: `${cursor}59`,
  };
}
