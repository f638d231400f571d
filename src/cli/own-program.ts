import { fileURLToPath } from "node:url";

/** Words that start this very program again: `main.ts` from a checkout, `main.js` when built. */
export function ownProgram(): readonly string[] {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return [process.execPath, fileURLToPath(new URL(`./main.${extension}`, import.meta.url))];
}
