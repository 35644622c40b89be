// SHA-256 of a short ASCII text, as eight words. The browser's own is there on https only, and takes
// longer for each call than the hash itself.
const K = new Uint32Array(64);
const START = new Uint32Array(8);

// The first 32 bits of the fractional parts of cube roots, and square roots, of the first primes.
for (let number = 2, count = 0; count < 64; number++) {
  let divisor = 2;
  while (divisor * divisor <= number && number % divisor) divisor++;
  if (divisor * divisor <= number) continue;
  const bits = (root) => ((root - Math.floor(root)) * 2 ** 32) | 0;
  if (count < 8) START[count] = bits(Math.sqrt(number));
  K[count++] = bits(Math.cbrt(number));
}

const words = new Uint32Array(64);
const state = new Uint32Array(8);
let padded = new Uint32Array(16);

/** The next call overwrites what this one has answered. */
export function sha256(text) {
  const blocks = ((text.length + 8) >> 6) + 1;
  if (padded.length === blocks * 16) padded.fill(0);
  else padded = new Uint32Array(blocks * 16);
  for (let at = 0; at < text.length; at++) padded[at >> 2] |= text.charCodeAt(at) << (24 - (at % 4) * 8);
  padded[text.length >> 2] |= 0x80 << (24 - (text.length % 4) * 8);
  padded[padded.length - 1] = text.length * 8;
  state.set(START);
  for (let block = 0; block < padded.length; block += 16) digest(block);
  return state;
}

export const hexadecimal = (hash) => [...hash].map((word) => word.toString(16).padStart(8, "0")).join("");

function digest(block) {
  for (let at = 0; at < 16; at++) words[at] = padded[block + at];
  for (let at = 16; at < 64; at++) {
    const [early, late] = [words[at - 15], words[at - 2]];
    const s0 = turn(early, 7) ^ turn(early, 18) ^ (early >>> 3);
    const s1 = turn(late, 17) ^ turn(late, 19) ^ (late >>> 10);
    words[at] = words[at - 16] + s0 + words[at - 7] + s1;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let at = 0; at < 64; at++) {
    const s1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[at] + words[at]) | 0;
    const s0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
}

function turn(word, by) {
  return (word >>> by) | (word << (32 - by));
}
