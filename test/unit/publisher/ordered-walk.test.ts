import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { orderedWalk, type WalkedPath } from "../../../src/publisher/ordered-walk.ts";
import { ConfinedDirectory } from "../../../src/store/confined-directory.ts";
import { walkTree } from "../../../src/store/tree-walk.ts";

async function gather(batches: AsyncIterable<readonly WalkedPath[]>): Promise<string[]> {
  const paths: string[] = [];
  for await (const batch of batches) paths.push(...batch.map((walked) => walked.path ?? "(root)"));
  return paths;
}

// Bytes around "/" and beyond ASCII: "a-" and "a." sort before "a/b", "a0" and "a\xff" after.
const name = fc.stringMatching(/^[a\-.0\xff]{1,3}$/).filter((text) => text !== "." && text !== "..");
const somePaths = fc.array(fc.array(name, { minLength: 1, maxLength: 4 }), { maxLength: 25 });

test("an ordered walk finds what a plain walk finds, in the order of the path bytes", async () => {
  await fc.assert(
    fc.asyncProperty(somePaths, async (paths) => {
      const base = fs.mkdtempSync(join(tmpdir(), "prsync-walk-"));
      try {
        for (const parts of paths) makeFile(`${base}/${parts.join("/")}`);
        using root = ConfinedDirectory.open(base);
        const found = await gather(orderedWalk(root, false));
        const plain = await gather(walkTree(base));
        expect(found).toEqual([...plain].sort());
        expect(new Set(found).size).toBe(found.length);
      } finally {
        fs.rmSync(base, { recursive: true });
      }
    }),
    { numRuns: 60 },
  );
});

/** A file where nothing is in the way, else nothing. */
function makeFile(path: string): void {
  try {
    fs.mkdirSync(Buffer.from(dirname(path), "latin1"), { recursive: true });
    fs.writeFileSync(Buffer.from(path, "latin1"), "");
  } catch {
    // A file stands where a directory would be needed, or the reverse.
  }
}
