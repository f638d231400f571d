import fc from "fast-check";
import { expect, test } from "vitest";
import { parseContentId } from "../../../src/core/content-id.ts";
import { parentOf, repoPathFromText, type RepoPath } from "../../../src/core/repo-path.ts";
import { delayRemovals, noLongerGone, type GonePath } from "../../../src/plan/delayed-removals.ts";
import type { ConsideredPath, PathDecision, SyncPlan } from "../../../src/plan/plan-sync.ts";

const DAY = 86_400_000;
const NOW = 100 * DAY;
const CONTENT = parseContentId("a".repeat(64));
const at = repoPathFromText;

test("a path goes only once it was gone for so long, and is remembered when it is first seen", () => {
  const plan = removing("new", "young", "old");
  const seen = seenAt({ young: NOW - DAY + 1, old: NOW - DAY });
  const { plan: due, heldBack, newlyGone } = delayed(plan, seen);
  expect(removedBy(due)).toEqual(["old"]);
  expect(heldBack).toEqual(["new", "young"]);
  expect(newlyGone).toEqual([{ path: "new", sinceMs: NOW, isOurs: true }]);
});

test("a clock that was set back makes nothing stay longer than AGE from now on", () => {
  const { heldBack, newlyGone } = delayed(removing("a"), seenAt({ a: NOW + 30 * DAY }));
  expect(heldBack).toEqual(["a"]);
  expect(newlyGone).toEqual([{ path: "a", sinceMs: NOW, isOurs: true }]);
});

test("what lies below a directory that becomes a file goes at once: its place is needed", () => {
  const entry = { kind: "file", path: at("d"), mode: 0o644, mtimeNs: 0n, size: 1, content: CONTENT } as const;
  const needed: PathDecision = { action: "place", entry, replaces: "directory" };
  const { decisions } = removing("d/a", "d/e/b", "da");
  const { plan: due, heldBack } = delayed({ decisions: [...decisions, needed], contents: [] }, new Map());
  expect(removedBy(due)).toEqual(["d/a", "d/e/b"]);
  expect(heldBack).toEqual(["da"]);
});

test("what was to be moved away from a path that stays is copied; from one that goes it is moved", () => {
  const source = (from: string): SyncPlan["contents"][number] => ({
    content: CONTENT,
    lengthBytes: 1,
    source: { how: "move", from: at(from) },
    paths: [at("there")],
  });
  const plan = { ...removing("young", "old"), contents: [source("young"), source("old")] };
  const { contents } = delayed(plan, seenAt({ old: 0 })).plan;
  expect(contents.map(({ source: { how } }) => how)).toEqual(["copy", "move"]);
});

test("no directory goes before what is in it; each removal is done or held back, and none is lost once its time has come", () => {
  const name = fc.constantFrom("a", "b", "c");
  const paths = fc.uniqueArray(
    fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/")),
    { minLength: 1, maxLength: 20 },
  );
  fc.assert(
    fc.property(paths, fc.array(fc.integer({ min: 0, max: 200 })), (texts, ages) => {
      const plan = removing(...texts);
      const known = texts.slice(0, ages.length);
      const seen = seenAt(Object.fromEntries(known.map((text, i) => [text, NOW - (ages[i]! * DAY) / 100])));
      const { plan: due, heldBack, newlyGone } = delayed(plan, seen);
      const removed = removedBy(due);
      expect([...removed, ...heldBack].toSorted()).toEqual(texts.toSorted());
      const kept = new Set<string>(heldBack);
      for (const path of heldBack) {
        const above = parentOf(path);
        if (above !== undefined && texts.includes(above)) expect(kept.has(above)).toBe(true);
      }
      const all = new Map([...seen, ...newlyGone.map((record) => [record.path, record] as const)]);
      const later = delayRemovals(plan, all, { nowMs: NOW + DAY, ageMs: DAY, considered: consideredOf(plan) });
      expect(later.heldBack).toEqual([]);
    }),
  );
});

test("a path is forgotten once it is back, or once somebody else removed it", () => {
  const local = { kind: "directory", mode: 0o755, mtimeNs: 0n } as const;
  const entry = { kind: "directory", path: at("back"), mode: 0o755, mtimeNs: 0n } as const;
  const items: ConsideredPath[] = [
    { path: at("back"), entry, local, isOurs: true },
    { path: at("removed"), entry: undefined, local: { kind: "absent" }, isOurs: true },
    { path: at("gone"), entry: undefined, local, isOurs: true },
  ];
  const seen = ["back", "removed", "gone", "not looked at"].map((text) => gone(text, 0));
  const foreign = { ...gone("foreign", 0), isOurs: false };
  const considered = new Map(items.map((item) => [item.path, item]));
  expect(noLongerGone([...seen, foreign], considered, { looksAtForeign: false })).toEqual([
    "back",
    "removed",
    "not looked at",
  ]);
  expect(noLongerGone([foreign], considered, { looksAtForeign: true })).toEqual(["foreign"]);
});

function delayed(plan: SyncPlan, seen: ReadonlyMap<RepoPath, GonePath>): ReturnType<typeof delayRemovals> {
  return delayRemovals(plan, seen, { nowMs: NOW, ageMs: DAY, considered: consideredOf(plan) });
}

function removing(...texts: readonly string[]): SyncPlan {
  return { decisions: texts.map((text) => ({ action: "remove", path: at(text), kind: "file" })), contents: [] };
}

function removedBy({ decisions }: SyncPlan): string[] {
  return decisions.flatMap((step) => (step.action === "remove" ? [step.path] : []));
}

function consideredOf({ decisions }: SyncPlan): Map<RepoPath, ConsideredPath> {
  const paths = decisions.flatMap((step) => (step.action === "remove" ? [step.path] : []));
  const local = { kind: "directory", mode: 0o755, mtimeNs: 0n } as const;
  return new Map(paths.map((path) => [path, { path, entry: undefined, local, isOurs: true }]));
}

function gone(text: string, sinceMs: number): GonePath {
  return { path: at(text), sinceMs, isOurs: true };
}

function seenAt(times: Readonly<Record<string, number>>): Map<RepoPath, GonePath> {
  return new Map(Object.entries(times).map(([text, sinceMs]) => [at(text), gone(text, sinceMs)]));
}
