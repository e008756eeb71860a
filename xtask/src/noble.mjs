// Times one ML-DSA-87 verification by @noble/post-quantum, found in the current folder's node_modules, and prints the median of
// many in nanoseconds.
import { pathToFileURL } from "node:url";
import { resolve } from "node:path";

const library = pathToFileURL(resolve("node_modules/@noble/post-quantum/ml-dsa.js"));
const { ml_dsa87 } = await import(library);

const message = new Uint8Array(32).fill(7);
const { publicKey, secretKey } = ml_dsa87.keygen(new Uint8Array(32).fill(1));
const signature = ml_dsa87.sign(message, secretKey);

function timed() {
  const start = process.hrtime.bigint();
  if (!ml_dsa87.verify(signature, message, publicKey)) throw new Error("its own signature does not verify");
  return Number(process.hrtime.bigint() - start);
}

// Long enough for the compiler of the engine to have done what it can.
const warmUntil = Date.now() + 2_000;
while (Date.now() < warmUntil) timed();
const times = Array.from({ length: 1_000 }, timed).sort((a, b) => a - b);
console.log(times[times.length / 2]);
