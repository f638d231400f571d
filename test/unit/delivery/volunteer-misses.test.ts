import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { contentIdOf } from "../../../src/core/content-id.ts";
import { repoPathFromText } from "../../../src/core/repo-path.ts";
import type { SentFile } from "../../../src/delivery/sent-samples.ts";
import { VolunteerMisses } from "../../../src/delivery/volunteer-misses.ts";

const HOUR = 3_600_000;

function file(name: string): SentFile {
  const content = contentIdOf(createHash("sha256").update(name).digest());
  return { path: repoPathFromText(name), served: { content, lengthBytes: 1_000 } };
}

test("misses are counted per volunteer, networks once each and for an hour", () => {
  const misses = new VolunteerMisses();
  expect(misses.countOf("a", 0)).toBeUndefined();
  for (const network of ["n1", "n2", "n1"]) misses.note("a", file("x"), { network, nowMs: 0 });
  misses.note("b", file("x"), { network: "n1", nowMs: 0 });
  expect(misses.countOf("a", HOUR)).toEqual({ customers: 3, networks: 2 });
  expect(misses.countOf("b", HOUR)).toEqual({ customers: 1, networks: 1 });
  expect(misses.countOf("a", HOUR + 1)).toEqual({ customers: 3, networks: 0 });
});

test("three networks hint at what the last of them missed, once; one network never does", () => {
  const misses = new VolunteerMisses();
  for (let turn = 0; turn < 100; turn++) misses.note("a", file("x"), { network: "n1", nowMs: 0 });
  misses.note("a", file("y"), { network: "n2", nowMs: 0 });
  expect(misses.hasHint("a")).toBe(false);
  misses.note("a", file("z"), { network: "n3", nowMs: 0 });
  expect(misses.hasHint("a")).toBe(true);
  expect(misses.takeHint("a")?.path).toBe("z");
  expect([misses.hasHint("a"), misses.takeHint("a"), misses.hasHint("b")]).toEqual([false, undefined, false]);
});

test("whatever strangers say, a volunteer is hinted at once a minute, and 16 networks are remembered", () => {
  const misses = new VolunteerMisses();
  let hints = 0;
  for (let nowMs = 0; nowMs < HOUR; nowMs += 100) {
    misses.note("a", file("x"), { network: `n${nowMs % 70_000}`, nowMs });
    if (misses.takeHint("a") !== undefined) hints++;
  }
  expect(hints).toBe(60);
  expect(misses.countOf("a", HOUR - 1)).toEqual({ customers: 36_000, networks: 16 });
});
