import { buildKernel } from "../../scripts/build-kernel.ts";

/** For vitest: the search kernel is there and up to date before any test loads it. */
export function setup(): void {
  buildKernel();
}
