// Finds the number of which SHA-256(salt + number) is the challenge; null where there is none.
import { hexadecimal, sha256 } from "./sha256.js";

addEventListener("message", ({ data: { salt, challenge, maxnumber } }) => {
  const first = parseInt(challenge.slice(0, 8), 16); // most hashes are told apart by it
  for (let number = 0; number <= maxnumber; number++) {
    const hash = sha256(salt + number);
    if (hash[0] === first && hexadecimal(hash) === challenge) return postMessage(number);
  }
  return postMessage(null);
});
