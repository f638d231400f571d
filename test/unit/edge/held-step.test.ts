import fc from "fast-check";
import { expect, test } from "vitest";
import { HoldingsReporter } from "../../../src/edge/holdings-report.ts";
import type { HeldStepEnd } from "../../../src/store/mirror-index-bundles.ts";
import { bundleRow, contentOf, fileEntry, MirrorDisk, pathOf } from "./mirror-disk.ts";
import { arrivalsOf, putBundle } from "./told-holdings.ts";

const NAMES = ["a", "b", "c", "d", "e", "f"];
const names = fc.subarray(NAMES);
/** Of each bundle its contents; what is recorded, what of it is only believed, what the release has under its own name or another. */
const mirrors = fc.record({
  bundles: fc.array(fc.subarray(NAMES, { minLength: 1 }), { maxLength: 3 }),
  held: names,
  believed: names,
  unpacked: names,
  renamed: names,
});

test("step by step all bundles have what each has by itself, also by name", async () => {
  await fc.assert(
    fc.asyncProperty(mirrors, fc.integer({ min: 1, max: 4 }), async (mirror, limit) => {
      const disk = await diskOf(mirror);
      for (const isByName of [false, true]) {
        const stepwise = mirror.bundles.map((): number[] => []);
        let end: HeldStepEnd | undefined;
        do {
          const step = disk.index.bundles.heldStep(end, { limit, isByName });
          for (const { bundle, ordinal } of step.held) stepwise[bundle - 1]!.push(ordinal);
          ({ end } = step);
        } while (end !== undefined);
        const { bundles } = disk.index;
        const each = mirror.bundles.map((_, index) =>
          isByName ? bundles.shownOrdinals(index + 1) : bundles.heldOrdinals(index + 1),
        );
        expect(stepwise.map((ordinals) => ordinals.toSorted((a, b) => a - b))).toEqual(each);
      }
    }),
    { numRuns: 40 },
  );
});

async function diskOf({ bundles, held, believed, unpacked, renamed }: MirrorOf): Promise<MirrorDisk> {
  const disk = new MirrorDisk();
  bundles.forEach((contents, index) => putBundle(disk, index + 1, contents));
  const entries = NAMES.map((name) => fileEntry(renamed.includes(name) ? `z${name}` : name, name));
  await disk.holdRelease(
    1,
    entries.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
  );
  for (const name of held) {
    disk.write(name, name);
    disk.record(name, contentOf(name), !believed.includes(name));
  }
  for (const name of unpacked) {
    const content = contentOf(`packed ${name}`);
    disk.index.recompressions.put({ content, inner: contentOf(name), innerLengthBytes: 1, members: [] });
    disk.write(`packed-${name}`, "");
    disk.record(`packed-${name}`, content);
  }
  return disk;
}

type MirrorOf = typeof mirrors extends fc.Arbitrary<infer Value> ? Value : never;

/** Five thousand contents are five turns. */
async function largeMirror(): Promise<{ readonly disk: MirrorDisk; readonly reporter: HoldingsReporter }> {
  const disk = new MirrorDisk();
  const contents = Array.from({ length: 5_000 }, (_, index) => ({ content: contentOf(String(index)), lengthBytes: 1 }));
  const stat = { size: 1, mtimeNs: 1n, ctimeNs: 1n, ino: 1n };
  disk.index.transaction(() => {
    disk.index.bundles.put(bundleRow(1, contents));
    disk.index.bundles.putContents(1, contents);
    contents.forEach(({ content }, index) => {
      if (index % 2 === 0) disk.index.files.put(pathOf(String(index)), { stat, content, isVerified: true });
    });
  });
  return { disk, reporter: new HoldingsReporter(disk.index, { arrived: arrivalsOf(new Map()) }) };
}

test("a look at many contents lets others work, and what changes meanwhile is told by the next", async () => {
  const { disk, reporter } = await largeMirror();
  let turns = 0;
  const others = setInterval(() => {
    if (turns++ === 0) disk.index.files.remove(pathOf("0"));
  }, 0);
  const first = await heldOf(reporter);
  clearInterval(others);
  expect(turns).toBeGreaterThan(0);
  expect(first).toBeOneOf([2_499, 2_500]);
  expect(await heldOf(reporter)).toBe(2_499);
});

test("a look at many contents ends when it is not wanted any more", async () => {
  const { reporter } = await largeMirror();
  const closing = new AbortController();
  const telling = reporter.next({ isChanging: false, signal: closing.signal });
  closing.abort(new Error("closed"));
  await expect(telling).rejects.toThrow("closed");
});

/** Contents that are told of the only bundle. */
async function heldOf(reporter: HoldingsReporter): Promise<number> {
  const { report } = await reporter.next();
  const bytes = "bundles" in report ? Buffer.from(report.bundles[0]!.have, "base64") : [];
  return [...bytes].reduce((sum, byte) => sum + byte.toString(2).replaceAll("0", "").length, 0);
}
