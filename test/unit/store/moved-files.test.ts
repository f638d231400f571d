import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { contentIdOf, type ContentId } from "../../../src/core/content-id.ts";
import { repoPathFromByteString as path, type RepoPath } from "../../../src/core/repo-path.ts";
import { type ActivationStep, orderSteps } from "../../../src/store/activation-order.ts";
import { activate, type ActivationResult } from "../../../src/store/activation.ts";
import { ConfinedDirectory } from "../../../src/store/confined-directory.ts";
import { type FileStat, fileStatOf } from "../../../src/store/file-stat.ts";
import { StagingArea } from "../../../src/store/staging.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const MTIME_SECONDS = 1_600_000_000;

function contentOf(text: string): ContentId {
  return contentIdOf(createHash("sha256").update(text).digest());
}

/** DEST whose files are on the move, and what an activation told about them. */
class Mirror {
  readonly root: string = temporaryDirectory();
  readonly destination: ConfinedDirectory = ConfinedDirectory.open(this.root);
  readonly staging: StagingArea = StagingArea.open(this.destination);
  readonly told = new Map<RepoPath, FileStat>();

  constructor() {
    onTestFinished(() => {
      this.staging[Symbol.dispose]();
      this.destination[Symbol.dispose]();
    });
  }

  /** Writes a file and stages it to be moved: the content is the text. */
  stageMove(name: string, text: string): void {
    fs.writeFileSync(join(this.root, name), text);
    fs.utimesSync(join(this.root, name), MTIME_SECONDS, MTIME_SECONDS);
    const source = { directory: this.destination, path: path(name), expectedStat: this.stat(name) };
    expect(this.staging.stageLink(contentOf(text), source)).toBeDefined();
  }

  async run(steps: readonly ActivationStep[]): Promise<ActivationResult> {
    return await activate(orderSteps(steps, { isMetadata: () => false }), {
      destination: this.destination,
      staging: this.staging,
      onFile: (name, _content, stat) => this.told.set(name, stat),
      onRestat: (name, before, after) => {
        if (this.told.get(name)?.ctimeNs === before.ctimeNs) this.told.set(name, after);
      },
      onLinked: () => undefined,
      onRemoved: (name) => this.told.delete(name),
      recordOf: () => undefined,
      onWrong: () => undefined,
    });
  }

  stat(name: string): FileStat {
    return fileStatOf(this.destination.lstat(path(name))!);
  }

  text(name: string): string {
    return fs.readFileSync(join(this.root, name), "utf8");
  }

  /** Writes into a file as it lies there, its inode and size stay. */
  writeInPlace(name: string, bytes: string): void {
    const descriptor = fs.openSync(join(this.root, name), "r+");
    fs.writeSync(descriptor, bytes, 0);
    fs.closeSync(descriptor);
  }
}

function place(name: string, text: string, replaces: "absent" | "file" = "absent"): ActivationStep {
  const mtimeNs = BigInt(MTIME_SECONDS) * 1_000_000_000n;
  const entry = { path: path(name), mode: 0o644, mtimeNs, size: text.length, content: contentOf(text) };
  return { action: "place", entry: { ...entry, kind: "file" }, replaces };
}

function remove(name: string): ActivationStep {
  return { action: "remove", path: path(name), kind: "file" };
}

test("a moved file that was written to after it was staged fails its path, its mtime set back or not", async () => {
  for (const setsMtimeBack of [false, true]) {
    const mirror = new Mirror();
    mirror.stageMove("old", "right bytes");
    mirror.writeInPlace("old", "WRON");
    if (setsMtimeBack) fs.utimesSync(join(mirror.root, "old"), MTIME_SECONDS, MTIME_SECONDS);
    const { failures } = await mirror.run([place("new", "right bytes"), remove("old")]);
    expect(failures).toMatchObject([{ path: "new", error: { code: "staged-changed" } }]);
    expect([fs.existsSync(join(mirror.root, "new")), mirror.told.has(path("new"))]).toEqual([false, false]);
    expect(fs.readdirSync(join(mirror.root, ".prsync/staging"))).toEqual([]);
  }
});

test("no copy of a moved file that was written to is placed either", async () => {
  const mirror = new Mirror();
  mirror.stageMove("old", "right bytes");
  mirror.writeInPlace("old", "WRON");
  const { failures } = await mirror.run([place("a", "right bytes"), place("b", "right bytes")]);
  expect(failures.map((failure) => failure.path)).toEqual(["a", "b"]);
  expect([fs.existsSync(join(mirror.root, "a")), fs.existsSync(join(mirror.root, "b"))]).toEqual([false, false]);
});

test("files that change places are moved: that the old name of one goes is no change of its bytes", async () => {
  const mirror = new Mirror();
  mirror.stageMove("a", "first");
  mirror.stageMove("b", "second");
  mirror.stageMove("c", "third");
  const steps = [place("a", "second", "file"), place("b", "third", "file"), place("c", "first", "file")];
  expect((await mirror.run(steps)).failures).toEqual([]);
  expect(["a", "b", "c"].map((name) => mirror.text(name))).toEqual(["second", "third", "first"]);
  for (const name of ["a", "b", "c"]) expect(mirror.told.get(path(name))).toEqual(mirror.stat(name));
});

test("a file written to between two steps does not pass for one whose old name went", async () => {
  const mirror = new Mirror();
  mirror.stageMove("a", "first");
  mirror.stageMove("b", "second");
  const swap = [place("a", "second", "file"), place("b", "first", "file")];
  mirror.writeInPlace("a", "WRO");
  const { failures } = await mirror.run(swap);
  expect(failures).toMatchObject([{ path: "b", error: { code: "staged-changed" } }]);
  expect(mirror.text("a")).toBe("second");
  expect(fs.readdirSync(join(mirror.root, ".prsync/staging"))).toEqual([]);
});

test("what is told about a placed file follows when its old name goes, unless it was written to meanwhile", async () => {
  const mirror = new Mirror();
  mirror.stageMove("a", "first");
  mirror.stageMove("b", "second");
  const placing = [place("new a", "first"), place("new b", "second")];
  const write = (): void => {
    mirror.writeInPlace("new a", "WRO");
    fs.utimesSync(join(mirror.root, "new a"), MTIME_SECONDS, MTIME_SECONDS);
  };
  const result = await activate(orderSteps([...placing, remove("b"), remove("a")], { isMetadata: () => false }), {
    destination: mirror.destination,
    staging: mirror.staging,
    onFile: (name, _content, stat) => mirror.told.set(name, stat),
    onRestat: (name, _before, after) => mirror.told.set(name, after),
    onLinked: () => undefined,
    // "b" goes first, "a" after it.
    onRemoved: () => write(),
    recordOf: () => undefined,
    onWrong: () => undefined,
  });
  expect(result.failures).toEqual([]);
  expect(mirror.told.get(path("new b"))).toEqual(mirror.stat("new b"));
  expect(mirror.told.get(path("new a"))).not.toEqual(mirror.stat("new a"));
});

test("a placed file that gets a further name before its old one goes keeps its record", async () => {
  const mirror = new Mirror();
  mirror.stageMove("old", "text");
  const placed = place("new", "text") as Extract<ActivationStep, { action: "place" }>;
  const entry = { ...placed.entry, path: path("twin"), link: path("new") };
  await mirror.run([placed, { action: "link", entry, to: path("new"), replaces: "absent" }, remove("old")]);
  expect(mirror.stat("twin").ino).toBe(mirror.stat("new").ino);
  expect(mirror.told.get(path("new"))).toEqual(mirror.stat("new"));
});

test("a moved file that can't be placed stays known as a left link", async () => {
  const mirror = new Mirror();
  mirror.stageMove("old", "text");
  fs.mkdirSync(join(mirror.root, "new/not ours"), { recursive: true });
  const { failures } = await mirror.run([place("new", "text", "file")]);
  expect(failures).toHaveLength(1);
  expect(mirror.staging.leftLinks()).toMatchObject([{ content: contentOf("text") }]);
});

test("a file that changed since it was recorded gets no further name; one that is as recorded is not read", async () => {
  const mirror = new Mirror();
  for (const name of ["as recorded", "changed"]) fs.writeFileSync(join(mirror.root, name), "right");
  const records = new Map(["as recorded", "changed"].map((name) => [path(name), mirror.stat(name)]));
  // Wrong bytes under an unchanged stat would show that they were read.
  mirror.writeInPlace("as recorded", "wrong");
  records.set(path("as recorded"), mirror.stat("as recorded"));
  mirror.writeInPlace("changed", "wrong");
  const wrong: string[] = [];
  const linkTo = (to: string): ActivationStep => {
    const { entry } = place(`${to}, new name`, "right") as Extract<ActivationStep, { action: "place" }>;
    return { action: "link", entry: { ...entry, link: path(to) }, to: path(to), replaces: "absent" };
  };
  const result = await activate(orderSteps([linkTo("as recorded"), linkTo("changed")], { isMetadata: () => false }), {
    destination: mirror.destination,
    staging: mirror.staging,
    onFile: () => undefined,
    onRestat: () => undefined,
    onLinked: () => undefined,
    onRemoved: () => undefined,
    recordOf: (name) => ({ stat: records.get(name)!, content: contentOf("right"), isVerified: true }),
    onWrong: (file) => wrong.push(`${file.path}: ${file.content}`),
  });
  expect(result.failures.map((failure) => failure.path)).toEqual(["changed, new name"]);
  expect(wrong).toEqual([`changed: ${contentOf("wrong")}`]);
});

test("copies of many equal files are made ahead, each a file of its own; none is left when a run is cut off or held back", async () => {
  const mirror = new Mirror();
  const names = Array.from({ length: 200 }, (_, i) => `copy-${i}`);
  const steps = names.map((name) => place(name, "equal"));
  mirror.stageMove("old", "equal");
  const abort = new AbortController();
  const context = {
    destination: mirror.destination,
    staging: mirror.staging,
    onFile: (name: RepoPath) => void (name === names[100] && abort.abort(new Error("cut off"))),
    onRestat: () => undefined,
    onLinked: () => undefined,
    onRemoved: () => undefined,
    recordOf: () => undefined,
    onWrong: () => undefined,
  };
  const ordered = orderSteps(steps, { isMetadata: () => false });
  await expect(activate(ordered, { ...context, signal: abort.signal })).rejects.toThrow("cut off");
  const link = [`${contentOf("equal")}.link`];
  expect(fs.readdirSync(join(mirror.root, ".prsync/staging"))).toEqual(link);
  await activate(ordered, { ...context, lateFrom: 5, isIncomplete: true });
  expect(fs.readdirSync(join(mirror.root, ".prsync/staging"))).toEqual(link);
  expect(
    (await activate([...ordered, ...orderSteps([remove("old")], { isMetadata: () => false })], context)).failures,
  ).toEqual([]);
  expect(new Set(names.map((name) => mirror.stat(name).ino)).size).toBe(200);
  expect(new Set(names.map((name) => mirror.text(name)))).toEqual(new Set(["equal"]));
  expect(fs.readdirSync(join(mirror.root, ".prsync/staging"))).toEqual([]);
});

test("a content that can't be copied fails its paths alone", async () => {
  const mirror = new Mirror();
  mirror.stageMove("old", "there");
  const steps = ["a", "b", "c"].flatMap((name) => [place(`${name} gone`, "missing"), place(name, "there")]);
  const { failures } = await mirror.run(steps);
  expect(failures.map((failure) => failure.path)).toEqual(["a gone", "b gone", "c gone"]);
  expect(["a", "b", "c"].map((name) => mirror.text(name))).toEqual(["there", "there", "there"]);
});
