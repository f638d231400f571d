import { expect, test } from "vitest";
import { EMPTY_CONTENT, parseContentId, type ContentId } from "../../../src/core/content-id.ts";
import { repoPathFromText, type RepoPath } from "../../../src/core/repo-path.ts";
import type { FileEntry } from "../../../src/manifest/entry.ts";
import {
  planSync,
  withoutRemovals,
  type LocalHoldings,
  type LocalState,
  type PlanOptions,
} from "../../../src/plan/plan-sync.ts";

const OLD = parseContentId("a".repeat(64));
const NEW = parseContentId("b".repeat(64));
const PATH = repoPathFromText("pool/package.deb");
const OPTIONS: PlanOptions = { checksum: false, sizeOnly: false, useDelta: true, sharesInodes: false, removal: "ours" };
const NOTHING_HELD: LocalHoldings = {
  holdersOf: () => [],
  inodeOf: () => undefined,
  contentAfter: () => undefined,
  strayLike: () => undefined,
  contentAt: () => undefined,
};

test("same path and content is kept", () => {
  expect(plan(fileEntry(OLD), localFile(OLD)).decisions).toEqual([
    { action: "keep", entry: fileEntry(OLD), isAdopted: false },
  ]);
});

test("a changed mode or time alone moves no content", () => {
  const result = plan({ ...fileEntry(OLD), mode: 0o600 }, localFile(OLD));
  expect(result.decisions[0]).toMatchObject({ action: "attributes" });
  expect(result.contents).toEqual([]);
});

test("a file nobody recorded is adopted by size and time, not with --checksum", () => {
  expect(plan(fileEntry(NEW), localFile(undefined)).decisions[0]).toMatchObject({ action: "keep", isAdopted: true });
  const strict = plan(fileEntry(NEW), localFile(undefined), { options: { ...OPTIONS, checksum: true } });
  expect(strict.decisions[0]).toMatchObject({ action: "place" });
});

test("a recorded file of another content is never adopted, whatever its size and time", () => {
  expect(plan(fileEntry(NEW), localFile(OLD)).decisions[0]).toMatchObject({ action: "place" });
});

test("a content held under another path is copied, not fetched", () => {
  const from = repoPathFromText("old/name.deb");
  const result = plan(fileEntry(NEW), { kind: "absent" }, { holdings: { ...NOTHING_HELD, holdersOf: () => [from] } });
  expect(result.contents).toMatchObject([
    { content: NEW, lengthBytes: 10, source: { how: "copy", from }, paths: [PATH] },
  ]);
});

test("a content whose old path goes away is moved, and copied if nothing may be removed", () => {
  const old = repoPathFromText("old/name.deb");
  const stays = repoPathFromText("also/here.deb");
  const considered = [
    { path: PATH, entry: fileEntry(NEW), local: { kind: "absent" as const }, isOurs: false },
    { path: old, entry: undefined, local: localFile(NEW), isOurs: true },
  ];
  const moving = planSync(considered, { ...NOTHING_HELD, holdersOf: () => [stays, old] }, OPTIONS);
  expect(moving.contents[0]!.source).toEqual({ how: "move", from: old });
  const kept = withoutRemovals(moving);
  expect([kept.decisions.length, kept.contents[0]!.source]).toEqual([1, { how: "copy", from: old }]);
  const staying = planSync(considered.slice(0, 1), { ...NOTHING_HELD, holdersOf: () => [stays, old] }, OPTIONS);
  expect(staying.contents[0]!.source).toEqual({ how: "copy", from: stays });
});

test.each([false, true])(
  "a hundred thousand paths with one content look at its holders at most once each (shared inodes: %s)",
  (sharesInodes) => {
    let looks = 0;
    const kept = repoPathFromText("kept.deb");
    const holdersOf = function* (): Generator<RepoPath> {
      looks++;
      yield kept;
    };
    const entries = Array.from({ length: 100_000 }, (_, i) => ({
      ...fileEntry(NEW),
      path: repoPathFromText(`copies/${i}`),
    }));
    const considered = entries.map((entry) => ({ path: entry.path, entry, local: localFile(OLD), isOurs: true }));
    const plan = planSync(considered, { ...NOTHING_HELD, holdersOf }, { ...OPTIONS, sharesInodes });
    expect(plan.decisions).toHaveLength(100_000);
    expect(plan.contents.length).toBeLessThanOrEqual(1);
    expect(looks).toBeLessThanOrEqual(100_001);
  },
);

test("a basis is wanted for one content, not for each of its hundred thousand paths", () => {
  const entries = Array.from({ length: 100_000 }, (_, i) => ({
    ...fileEntry(NEW),
    path: repoPathFromText(`copies/${i}`),
  }));
  const considered = entries.map((entry) => ({ path: entry.path, entry, local: localFile(OLD), isOurs: true }));
  const [wanted] = planSync(considered, NOTHING_HELD, OPTIONS).contents;
  expect([wanted!.paths.length, wanted!.source]).toMatchObject([100_000, { how: "delta", basis: { length: 4 } }]);
});

test("other content at the same path is a basis; without delta it is fetched", () => {
  expect(plan(fileEntry(NEW), localFile(OLD)).contents[0]!.source).toEqual({ how: "delta", basis: [PATH] });
  const whole = plan(fileEntry(NEW), localFile(OLD), { options: { ...OPTIONS, useDelta: false } });
  expect(whole.contents[0]!.source).toEqual({ how: "fetch" });
});

test("a content wanted at two paths is obtained once", () => {
  const other = repoPathFromText("pool/twin.deb");
  const considered = [PATH, other].map((path) => ({
    path,
    entry: { ...fileEntry(NEW), path },
    local: { kind: "absent" as const },
    isOurs: false,
  }));
  const result = planSync(considered, NOTHING_HELD, OPTIONS);
  expect(result.contents).toMatchObject([
    { content: NEW, lengthBytes: 10, source: { how: "fetch" }, paths: [PATH, other] },
  ]);
});

test("with shared inodes a duplicate becomes a further name of the first path, or of a file that stays", () => {
  const options = { ...OPTIONS, sharesInodes: true };
  const twin = repoPathFromText("pool/twin.deb");
  const considered = [PATH, twin].map((path) => ({
    path,
    entry: { ...fileEntry(NEW), path },
    local: { kind: "absent" as const },
    isOurs: false,
  }));
  const fresh = planSync(considered, NOTHING_HELD, options);
  expect(fresh.decisions.map(({ action }) => action)).toEqual(["place", "link"]);
  expect(fresh.decisions[1]).toMatchObject({ to: PATH });
  const kept = repoPathFromText("pool/kept.deb");
  const held = planSync(considered.slice(0, 1), { ...NOTHING_HELD, holdersOf: () => [kept] }, options);
  expect(held).toMatchObject({ decisions: [{ action: "link", to: kept }], contents: [] });
});

test("a duplicate is not linked to a file that the same run replaces", () => {
  const other = repoPathFromText("pool/other.deb");
  const considered = [
    { path: PATH, entry: fileEntry(NEW), local: { kind: "absent" as const }, isOurs: false },
    { path: other, entry: { ...fileEntry(OLD), path: other }, local: localFile(NEW), isOurs: true },
  ];
  const result = planSync(
    considered,
    { ...NOTHING_HELD, holdersOf: () => [other] },
    { ...OPTIONS, sharesInodes: true },
  );
  expect(result.decisions[0]).toMatchObject({ action: "place" });
});

test("an empty file needs nothing from anywhere", () => {
  const entry = { ...fileEntry(EMPTY_CONTENT), size: 0 };
  const result = plan(entry, localFile(OLD), { holdings: { ...NOTHING_HELD, holdersOf: () => [PATH] } });
  expect(result.contents[0]!.source).toEqual({ how: "fetch" });
});

test("a later member of a hard-link group is linked unless it is already", () => {
  const first = repoPathFromText("pool/first.deb");
  const entry = { ...fileEntry(OLD), link: first };
  const apart = { ...NOTHING_HELD, contentAfter: () => OLD };
  expect(plan(entry, localFile(OLD), { holdings: apart }).decisions[0]).toMatchObject({ action: "link", to: first });
  const holdings = { ...apart, inodeOf: (path: RepoPath) => (path === first ? "1:7" : undefined) };
  expect(plan(entry, localFile(OLD), { holdings }).decisions[0]).toMatchObject({ action: "keep" });
});

test("nothing becomes a further name of a file that will hold other bytes", () => {
  const entry = { ...fileEntry(NEW), link: repoPathFromText("pool/first.deb") };
  const holdings = { ...NOTHING_HELD, contentAfter: () => OLD };
  expect(plan(entry, { kind: "absent" }, { holdings }).decisions[0]).toMatchObject({ action: "place" });
  expect(plan(entry, { kind: "absent" }).decisions[0]).toMatchObject({ action: "place" });
});

test("removals follow the option", () => {
  const considered = [{ path: PATH, entry: undefined, local: localFile(undefined), isOurs: false }];
  const removedWith = (removal: PlanOptions["removal"]): number =>
    planSync(considered, NOTHING_HELD, { ...OPTIONS, removal }).decisions.length;
  expect([removedWith("ours"), removedWith("none"), removedWith("all")]).toEqual([0, 0, 1]);
  const ours = planSync([{ ...considered[0]!, isOurs: true }], NOTHING_HELD, OPTIONS);
  expect(ours.decisions).toEqual([{ action: "remove", path: PATH, kind: "file" }]);
});

test("what is already gone is not removed again", () => {
  expect(
    planSync([{ path: PATH, entry: undefined, local: { kind: "absent" }, isOurs: true }], NOTHING_HELD, OPTIONS)
      .decisions,
  ).toEqual([]);
});

function plan(
  entry: FileEntry,
  local: LocalState,
  overrides: { readonly holdings?: LocalHoldings; readonly options?: PlanOptions } = {},
): ReturnType<typeof planSync> {
  const considered = [{ path: entry.path, entry, local, isOurs: true }];
  return planSync(considered, overrides.holdings ?? NOTHING_HELD, overrides.options ?? OPTIONS);
}

function fileEntry(content: ContentId): FileEntry {
  return { kind: "file", path: PATH, mode: 0o644, mtimeNs: 5_000_000_000n, size: 10, content };
}

function localFile(content: ContentId | undefined): LocalState {
  const stat = { kind: "file" as const, size: 10, mode: 0o644, mtimeNs: 5_000_000_000n, inode: "1:7" };
  return content === undefined ? stat : { ...stat, content };
}
