import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { changedOn, PAPER, planPaperRepository, writeFiles } from "../../../bench/support/paper-repository.ts";
import { measureShape, type MeasuredShape } from "../../../bench/support/paper-shape.ts";

const SCALE = 20_000;
const SEED = 5;
const directory = mkdtempSync(join(tmpdir(), "prsync-paper-"));
const plan = planPaperRepository(SCALE, SEED);
let shape: MeasuredShape;

beforeAll(() => {
  writeFiles(directory, plan, SEED);
  shape = measureShape(directory);
});

afterAll(() => {
  rmSync(directory, { recursive: true });
});

test("a tree of the paper's shape has its shares, computed from the files", () => {
  expect(shape.files).toBe(PAPER.files / SCALE);
  expect(shape.bytes / (PAPER.bytes / SCALE)).toBeCloseTo(1, 1);
  expect(shape.smallFilesShare).toBeCloseTo(0.91, 2);
  expect(shape.largeBytesShare).toBeGreaterThan(0.9);
  expect(shape.twinBytesShare).toBeCloseTo(0.099, 2);
  expect(shape.leastLikeness).toBeGreaterThan(0.6);
  expect(shape.mostLikeness).toBeLessThan(0.99);
});

test("the plan at 1:1000 has 17 % of the large files twice and 17 % of these are source packages", () => {
  const large = planPaperRepository(1000, SEED).filter((file) => file.bytes > 1_000_000);
  const twins = large.filter((file) => file.path.includes("renamed-"));
  expect(twins.length / large.length).toBeCloseTo(0.17, 2);
  expect(twins.filter((file) => file.isSource).length / twins.length).toBeCloseTo(0.17, 1);
});

test("a day changes 1 % of the files, and the same seed makes the same tree", () => {
  expect(planPaperRepository(SCALE, SEED)).toEqual(plan);
  const changes = changedOn(plan, 1, SEED);
  expect(changes.length).toBe(Math.max(1, Math.round(plan.length / 100)));
  writeFiles(directory, changes, SEED);
  const after = measureShape(directory);
  const changed = [...after.contents].filter(([path, content]) => shape.contents.get(path) !== content);
  expect(changed.map(([path]) => path)).toEqual(changes.map((file) => file.path));
});
