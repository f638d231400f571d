import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { seededRandom } from "../../../src/core/clock.ts";
import { heldEntry, PLAIN_ATTRIBUTES } from "../../../src/plan/held-attributes.ts";
import { changeMode, parseModeChanges } from "../../../src/plan/mode-changes.ts";
import { repoPathFromText } from "../../../src/core/repo-path.ts";
import { hasRsync } from "../../support/rsync-referee.ts";

function changed(mode: number, text: string, isDirectory = false): string {
  return changeMode(mode, parseModeChanges(text, 0o022)!, isDirectory).toString(8);
}

test("clauses say whose bits are set, added and taken", () => {
  expect(changed(0o640, "F644,D755")).toBe("644");
  expect(changed(0o640, "F644,D755", true)).toBe("755");
  expect(changed(0o777, "go-w")).toBe("755");
  expect(changed(0o600, "+X")).toBe("600");
  expect(changed(0o700, "+X")).toBe("711");
  expect(changed(0o600, "+X", true)).toBe("711");
  expect(changed(0o664, "Dg+s", true)).toBe("2664");
  // Who is not named: the umask says which bits may come.
  expect(changed(0o600, "+rw")).toBe("644");
});

test.each(["", "z", "u=q", "9", "08", "DF=r", "u", "u+r,", "77777", "u=g"])("%j is no mode", (text) => {
  expect(parseModeChanges(text, 0)).toBeUndefined();
});

test("set-id bits and owners are taken over only if that was asked for", () => {
  const entry = {
    kind: "directory",
    path: repoPathFromText("d"),
    mode: 0o6755,
    mtimeNs: 0n,
    uid: 1,
    gid: 2,
  } as const;
  expect(heldEntry(entry, PLAIN_ATTRIBUTES)).toEqual({ ...entry, mode: 0o755, uid: undefined, gid: undefined });
  expect(heldEntry(entry, { ...PLAIN_ATTRIBUTES, keepsSetIds: true, keepsGroup: true })).toEqual({
    ...entry,
    uid: undefined,
  });
});

describe.skipIf(!hasRsync())("beside rsync", () => {
  const directory = mkdtempSync(join(tmpdir(), "prsync-chmod-"));
  afterAll(() => rmSync(directory, { recursive: true }));

  test("forty random expressions give the modes that rsync gives", () => {
    const modes = [0o644, 0o755, 0o600, 0o777, 0o000, 0o641];
    const source = join(directory, "source");
    for (const mode of modes) {
      mkdirSync(join(source, `d${mode}`), { recursive: true });
      writeFileSync(join(source, `f${mode}`), "");
      for (const kind of ["d", "f"]) chmodSync(join(source, `${kind}${mode}`), mode);
    }
    const random = seededRandom(2026);
    for (let round = 0; round < 40; round++) {
      const text = randomChmod(random);
      const target = join(directory, `target-${round}`);
      execFileSync("rsync", ["-rlptH", `--chmod=${text}`, `${source}/`, `${target}/`]);
      const changes = parseModeChanges(text, process.umask())!;
      for (const mode of modes) {
        const [directories, files] = ["d", "f"].map((kind) => statSync(join(target, `${kind}${mode}`)).mode & 0o7777);
        const ours = [changeMode(mode, changes, true), changeMode(mode, changes, false)];
        expect([text, mode, ...ours]).toEqual([text, mode, directories, files]);
      }
    }
  });
});

function randomChmod(random: () => number): string {
  const pick = (letters: string): string => letters[Math.floor(random() * letters.length)]!;
  const clause = (): string => {
    const scope = ["", "D", "F"][Math.floor(random() * 3)]!;
    if (random() < 0.2) return `${scope}${pick("4567")}${pick("04567")}${pick("04567")}`;
    const who = ["", "u", "g", "o", "a", "ug", "go"][Math.floor(random() * 7)]!;
    const what = ["r", "w", "x", "X", "rw", "rX", "rwx", "s", "t", ""][Math.floor(random() * 10)]!;
    return `${scope}${who}${pick("+-=")}${what}`;
  };
  return Array.from({ length: 1 + Math.floor(random() * 3) }, clause).join(",");
}
