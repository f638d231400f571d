import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/core/clock.ts";
import { contentIdOf } from "../../../src/core/content-id.ts";
import { repoPathFromText } from "../../../src/core/repo-path.ts";
import { type SentFile, SentSamples } from "../../../src/delivery/sent-samples.ts";

function file(name: string): SentFile {
  const content = contentIdOf(createHash("sha256").update(name).digest());
  return { path: repoPathFromText(name), served: { content, lengthBytes: 1_000 } };
}

test("what is drawn of what was sent there lately is drawn by bytes, whenever it was sent", () => {
  const samples = new SentSamples(seededRandom(1));
  const drawn = new Map<string, number>();
  for (let turn = 0; turn < 1_000; turn++) {
    for (let index = 0; index < 10; index++) samples.note("a", file(`small-${index}`), 10);
    samples.note("a", file("image"), 800);
    for (let index = 0; index < 10; index++) samples.note("a", file(`small-${index}`), 10);
    const { path } = samples.take("a")!;
    drawn.set(path, (drawn.get(path) ?? 0) + 1);
  }
  expect(drawn.get("image")).toBeGreaterThan(750);
  expect(drawn.get("image")).toBeLessThan(850);
  expect(drawn.size).toBe(11);
});

test("each volunteer has its own, and what was taken is not drawn again", () => {
  const samples = new SentSamples(seededRandom(1));
  samples.note("a", file("x"), 10);
  samples.note("b", file("y"), 10);
  expect([samples.take("a")?.path, samples.take("b")?.path]).toEqual(["x", "y"]);
  expect(samples.take("a")).toBeUndefined();
});
