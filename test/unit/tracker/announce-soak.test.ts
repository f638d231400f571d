import { join } from "node:path";
import { expect, test } from "vitest";
import { run } from "../../support/program.ts";

const SOAK = join(import.meta.dirname, "../../support/announce-soak.ts");
/** Row T06. */
const MOST_GROWN_BYTES = 50_000_000;

test("a million announces from a million addresses leave no more than bounded tables", async () => {
  const told = JSON.parse(await run(process.execPath, ["--expose-gc", SOAK])) as { readonly grownBytes: number };
  console.log(`${Math.round(told.grownBytes / 1e6)} MB`);
  expect(told.grownBytes).toBeLessThan(MOST_GROWN_BYTES);
});
