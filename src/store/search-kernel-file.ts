import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { isSystemError } from "../core/errors.ts";
import { StoreError } from "./errors.ts";

/** What `npm run build` makes of kernel/. Read from source this file lies in src/store, built in dist/src/store. */
const KERNEL_URL = new URL(
  import.meta.url.endsWith(".ts") ? "../../dist/kernel/match-search.wasm" : "../../kernel/match-search.wasm",
  import.meta.url,
);

/** The compiled search kernel. @throws StoreError `kernel-missing` in a checkout that was never built */
export function readSearchKernel(): Uint8Array {
  try {
    return readFileSync(KERNEL_URL);
  } catch (error) {
    if (!isSystemError(error, "ENOENT")) throw error;
    const path = fileURLToPath(KERNEL_URL);
    throw new StoreError("kernel-missing", `the search kernel "${path}" is missing: run "npm run build"`, {
      cause: error,
    });
  }
}
