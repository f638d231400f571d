import fc from "fast-check";
import { expect, test } from "vitest";
import type { ContentId } from "../../../src/core/content-id.ts";
import { repoPathFromByteString as path } from "../../../src/core/repo-path.ts";
import {
  type ActivationStep,
  lateStepsFrom,
  orderSteps,
  type OrderedStep,
} from "../../../src/store/activation-order.ts";

const content = "a".repeat(64) as ContentId;

function place(name: string, replaces: "absent" | "directory" = "absent", of = content): ActivationStep {
  const entry = { path: path(name), kind: "file", mode: 0o644, mtimeNs: 0n, size: 1, content: of } as const;
  return { action: "place", entry, replaces };
}

function make(name: string, kind: "directory" | "symlink"): ActivationStep {
  const base = { path: path(name), mtimeNs: 0n };
  const entry = kind === "directory" ? { ...base, kind, mode: 0o755 } : { ...base, kind, target: "t" };
  return { action: "make", entry, replaces: "absent" };
}

function remove(name: string, kind: "file" | "directory"): ActivationStep {
  return { action: "remove", path: path(name), kind };
}

const show = (step: OrderedStep): string => `${step.action} ${step.action === "remove" ? step.path : step.entry.path}`;
const isMetadata = (name: string): boolean => name.startsWith("dists/");

test("directories first, metadata after what it names, removals last and from the bottom up", () => {
  const link = { ...place("pool/l"), action: "link", to: path("pool/a") } as ActivationStep;
  const steps = [
    remove("old", "directory"),
    remove("old/sub", "directory"),
    remove("old/sub/file", "file"),
    make("dists/link", "symlink"),
    place("dists/Release"),
    make("pool/link", "symlink"),
    link,
    place("pool/a"),
    make("dists/stable", "directory"),
    make("dists", "directory"),
  ];
  expect(orderSteps(steps, { isMetadata }).map(show)).toEqual([
    "directory dists",
    "directory dists/stable",
    "place pool/a",
    "symlink pool/link",
    "link pool/l",
    "place dists/Release",
    "symlink dists/link",
    "remove old/sub/file",
    "remove old/sub",
    "remove old",
  ]);
});

test("a further name of a metadata-class path comes after that, and is late as it is", () => {
  const link = { ...place("by-hash/x"), action: "link", to: path("dists/Packages") } as ActivationStep;
  const ordered = orderSteps([link, place("dists/Packages"), place("pool/a")], { isMetadata });
  expect(ordered.map(show)).toEqual(["place pool/a", "place dists/Packages", "link by-hash/x"]);
  expect(lateStepsFrom(ordered, { isMetadata })).toBe(1);
});

test("late are metadata and removals, but for removals that make room for a file", () => {
  const early = [remove("d/x", "file"), place("d", "directory"), place("e")];
  const late = [place("dists/Release"), make("dists/link", "symlink"), remove("f", "file"), remove("g", "directory")];
  const steps = orderSteps([...late, ...early], { isMetadata });
  expect(steps.slice(lateStepsFrom(steps, { isMetadata })).map(show)).toEqual([
    "place dists/Release",
    "symlink dists/link",
    "remove f",
    "remove g",
  ]);
  expect(lateStepsFrom([], { isMetadata })).toBe(0);
});

test("a directory that a file replaces is emptied right before, its neighbours are not", () => {
  const steps = [
    remove("d/x", "file"),
    remove("d/e", "directory"),
    remove("d/e/y", "file"),
    remove("d-other", "file"),
    place("a"),
    place("d", "directory"),
  ];
  expect(orderSteps(steps, { isMetadata }).map(show)).toEqual([
    "place a",
    "remove d/x",
    "remove d/e/y",
    "remove d/e",
    "place d",
    "remove d-other",
  ]);
});

test("a part is kept until its last use", () => {
  const other = "b".repeat(64) as ContentId;
  const steps = [place("a"), place("b", "absent", other), place("dists/c"), place("d")];
  const keeps = orderSteps(steps, { isMetadata }).map((step) => [show(step), "keepPart" in step && step.keepPart]);
  expect(keeps).toEqual([
    ["place a", true],
    ["place b", false],
    ["place d", true],
    ["place dists/c", false],
  ]);
});

test("directories that something else replaces are emptied in time that grows with their files, not with all removals", () => {
  const reads = (directories: number): number => {
    let count = 0;
    // Each look at the path of a removal is counted.
    const counted = (name: string): ActivationStep => ({
      action: "remove",
      kind: "file",
      get path() {
        count++;
        return path(name);
      },
    });
    const names = Array.from({ length: directories }, (_, i) => `d${i}`);
    const steps = names.flatMap((name) => [
      place(name, "directory"),
      ...Array.from({ length: 10 }, (_, i) => counted(`${name}/${i}`)),
    ]);
    expect(orderSteps(steps, { isMetadata })).toHaveLength(11 * directories);
    return count;
  };
  // A scan of all removals for each directory made it 16 times as many.
  expect(reads(400) / reads(100)).toBeLessThan(6);
});

test("removals below a replaced directory come right before it, in the order of a full scan", () => {
  const segment = fc.constantFrom("a", "b", "a-", "a0", "\xff");
  const names = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
  fc.assert(
    fc.property(
      fc.uniqueArray(names, { maxLength: 40 }),
      fc.uniqueArray(names, { maxLength: 5 }),
      (removed, replaced) => {
        const steps = [
          ...replaced.map((name) => place(name, "directory")),
          ...removed.map((name) => remove(name, name.length % 2 === 0 ? "file" : "directory")),
        ];
        const shown = orderSteps(steps, { isMetadata: () => false }).map(show);
        const deepestFirst = removed.toSorted().reverse();
        const expected: string[] = [];
        const take = (name: string): void => void (expected.includes(name) ? undefined : expected.push(name));
        for (const name of replaced) {
          for (const below of deepestFirst.filter((each) => each.startsWith(`${name}/`))) take(`remove ${below}`);
          expected.push(`place ${name}`);
        }
        expect(shown.slice(0, expected.length)).toEqual(expected);
        expect(shown.slice(expected.length).toSorted()).toEqual(
          removed
            .map((name) => `remove ${name}`)
            .filter((name) => !expected.includes(name))
            .toSorted(),
        );
      },
    ),
  );
});
