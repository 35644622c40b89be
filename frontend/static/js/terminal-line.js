// A terminal's connection: opened again by itself after a cut, later each time. What it carries is
// told in orchestrator/web/terminal_line.py.
const LONGEST = 8 * 1024; // bytes of what is typed or pasted, in one message
const MOST_WAITING = 1024 * 1024; // bytes of it that have not left yet
const ACKNOWLEDGED = 32 * 1024; // bytes drawn, before the other end is told
const PATIENCE = [1000, 2000, 4000, 8000, 15000]; // milliseconds before each further try

/** `on` has opened, said (bytes, drawn), renewed (moment), cut, ended (words), tooMuch. */
export function connect(path, on) {
  const address = new URL(path, location.href);
  address.protocol = location.protocol.replace("http", "ws");
  let [tries, drawn, leaving] = [0, 0, false];
  let socket, timer, last;

  function open() {
    clearTimeout(timer);
    [last, drawn] = [undefined, 0];
    const opened = new WebSocket(address);
    let answered = false;
    socket = opened;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("open", () => {
      answered = true;
      on.opened();
    });
    socket.addEventListener("message", ({ data }) => {
      if (typeof data === "string") return told(JSON.parse(data));
      tries = 0;
      on.said(new Uint8Array(data), () => acknowledge(opened, data.byteLength));
    });
    socket.addEventListener("close", () => opened === socket && !leaving && closed(answered));
  }

  function told(message) {
    if (message.expires_at) on.renewed(message.expires_at);
    else last = message;
  }

  function acknowledge(to, bytes) {
    if (to !== socket) return;
    drawn += bytes;
    if (drawn < ACKNOWLEDGED) return;
    send(JSON.stringify({ drawn }));
    drawn = 0;
  }

  function closed(answered) {
    if (last && last.again !== "soon") return on.ended(last);
    on.cut(last);
    timer = setTimeout(answered ? open : look, PATIENCE[Math.min(tries++, PATIENCE.length - 1)]);
  }

  /** A browser does not say why a handshake was refused; the page does, when it is asked for. */
  async function look() {
    const asked = { method: "HEAD", redirect: "manual" };
    const answer = await fetch(location.href, asked).catch(() => undefined);
    const refused = answer && (answer.type === "opaqueredirect" || answer.status < 500);
    if (refused && !answer.ok) location.reload();
    else open();
  }

  function send(message) {
    if (socket.readyState === WebSocket.OPEN) socket.send(message);
  }

  addEventListener("pagehide", () => {
    leaving = true;
    clearTimeout(timer);
    socket.close();
  });
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  open();
  return {
    open,
    resize: (rows, columns) => send(JSON.stringify({ rows, columns })),
    type(bytes) {
      if (socket.bufferedAmount + bytes.length > MOST_WAITING) return on.tooMuch();
      for (let at = 0; at < bytes.length; at += LONGEST) send(bytes.subarray(at, at + LONGEST));
    },
  };
}
