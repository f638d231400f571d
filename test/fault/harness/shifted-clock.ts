// Preloaded into a program (NODE_OPTIONS=--import=…): its wall clock stands off by as many milliseconds as the file
// PRSYNC_TEST_CLOCK says, read again ten times a second. The monotonic clock is left alone, as by the kernel.
import { readFileSync } from "node:fs";

const RealDate = Date;
const path = process.env["PRSYNC_TEST_CLOCK"]!;
const REREAD_MS = 100;
let offsetMs = 0;
let readAtMs = -Infinity;

function now(): number {
  if (performance.now() - readAtMs > REREAD_MS) {
    offsetMs = Number(readFileSync(path, "utf8"));
    readAtMs = performance.now();
  }
  return RealDate.now() + offsetMs;
}

globalThis.Date = new Proxy(RealDate, {
  construct: (target, words: [], newTarget) =>
    Reflect.construct(target, words.length === 0 ? [now()] : words, newTarget) as Date,
  apply: () => new RealDate(now()).toString(),
  get: (target, name) => (name === "now" ? now : (Reflect.get(target, name) as unknown)),
});
