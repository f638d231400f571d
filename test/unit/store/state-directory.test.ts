import * as fs from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ensurePrivateDirectory, resolveStateDirectory, stateName } from "../../../src/store/state-directory.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const user = { isRoot: false, homeDirectory: "/home/u" };

test("explicit, then PRSYNC_STATE_HOME, then root's, then XDG's place", () => {
  const targetPath = temporaryDirectory();
  const name = stateName(targetPath);
  expect(resolveStateDirectory({ ...user, targetPath, explicit: "/x/y", stateHome: "/s" })).toBe("/x/y");
  expect(resolveStateDirectory({ ...user, targetPath, stateHome: "/s" })).toBe(`/s/${name}`);
  expect(resolveStateDirectory({ ...user, targetPath, isRoot: true, xdgStateHome: "/x" })).toBe(
    `/var/lib/prsync/${name}`,
  );
  expect(resolveStateDirectory({ ...user, targetPath, xdgStateHome: "/x" })).toBe(`/x/prsync/${name}`);
  expect(resolveStateDirectory({ ...user, targetPath, xdgStateHome: "relative" })).toBe(
    `/home/u/.local/state/prsync/${name}`,
  );
});

test("the name follows the real path, also before the target exists", () => {
  const root = temporaryDirectory();
  fs.mkdirSync(join(root, "real"));
  fs.symlinkSync("real", join(root, "link"));
  const of = (targetPath: string): string => resolveStateDirectory({ ...user, targetPath, stateHome: "/s" });
  expect(of(join(root, "link"))).toBe(of(join(root, "real")));
  expect(of(join(root, "link/new"))).toBe(of(join(root, "real/new")));
  expect(of(join(root, "link/new"))).not.toBe(of(join(root, "new")));
});

test("names are readable and safe", () => {
  expect(stateName("/srv/mirror/debian")).toMatch(/^debian-[0-9a-f]{12}$/);
  expect(stateName("/srv/.ü b")).toMatch(/^b-[0-9a-f]{12}$/);
  expect(stateName("/")).toMatch(/^root-[0-9a-f]{12}$/);
});

test("a private directory is made with its parents, all 0700, and accepted again", () => {
  const path = join(temporaryDirectory(), "a/b/c");
  ensurePrivateDirectory(path);
  ensurePrivateDirectory(path);
  expect([path, join(path, ".."), join(path, "../..")].map((at) => fs.statSync(at).mode & 0o777)).toEqual([
    0o700, 0o700, 0o700,
  ]);
});

test("a symlink, a file and a directory that others may write are refused", () => {
  const root = temporaryDirectory();
  fs.mkdirSync(join(root, "open"));
  fs.chmodSync(join(root, "open"), 0o777);
  fs.symlinkSync(".", join(root, "link"));
  fs.writeFileSync(join(root, "file"), "");
  const refused = expect.objectContaining({ code: "state-unsafe" }) as Error;
  for (const name of ["open", "link", "file", "file/below"]) {
    expect(() => ensurePrivateDirectory(join(root, name))).toThrow(refused);
  }
});
