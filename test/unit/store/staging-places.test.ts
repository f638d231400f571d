import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { contentIdOf, type ContentId } from "../../../src/core/content-id.ts";
import { ConfinedDirectory } from "../../../src/store/confined-directory.ts";
import { makeOwnDirectory } from "../../../src/store/own-directory.ts";
import { type StagingChoice, StagingPlaces } from "../../../src/store/staging-places.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

function contentOf(text: string): ContentId {
  return contentIdOf(createHash("sha256").update(text).digest());
}

/** DEST and two directories beside it. */
class Scene {
  readonly root: string;
  readonly destination: string;
  readonly one: string;
  readonly two: string;

  constructor(root: string = temporaryDirectory(), name = "dest") {
    this.root = root;
    [this.destination, this.one, this.two] = [join(root, name), join(root, "one"), join(root, "two")];
    for (const path of [this.destination, this.one, this.two]) fs.mkdirSync(path, { recursive: true });
  }

  /** A run that takes over what is left, does something and ends. */
  async run(choice: Partial<StagingChoice>, act: (places: StagingPlaces) => void = () => undefined): Promise<void> {
    using places = await this.open(choice);
    await places.takeOver();
    act(places);
  }

  async open(choice: Partial<StagingChoice>): Promise<StagingPlaces> {
    const destination = ConfinedDirectory.open(this.destination);
    makeOwnDirectory(destination);
    return await StagingPlaces.open(destination, { choice: { directory: undefined, ...choice } });
  }

  /** Names below the directories beside DEST, those of ours as "*". */
  beside(): string[] {
    const names = [this.one, this.two].flatMap((path) => fs.readdirSync(path, { recursive: true, encoding: "utf8" }));
    return names.map((name) => name.replace(/\.prsync-[0-9a-f]{16}/, "*")).sort();
  }

  get note(): string {
    return join(this.destination, ".prsync/staging-places.json");
  }
}

function stage(...texts: readonly string[]): (places: StagingPlaces) => void {
  return ({ staging }) => texts.forEach((text) => staging.stageWhole(contentOf(text), Buffer.from(text)));
}

function staged({ staging }: StagingPlaces): string[] {
  return [...staging.parts()].map(({ content }) => content).sort();
}

function contents(...texts: readonly string[]): string[] {
  return texts.map(contentOf).sort();
}

test("a directory of our own holds what is staged, private, and goes with the last part", async () => {
  const scene = new Scene();
  await scene.run({ directory: scene.one }, stage("a"));
  expect(scene.beside()).toEqual(["*", "*/inner", "*/staging", `*/staging/${contentOf("a")}.part`]);
  const [name] = fs.readdirSync(scene.one);
  expect(fs.statSync(join(scene.one, name!)).mode & 0o777).toBe(0o700);
  expect(fs.readdirSync(join(scene.destination, ".prsync/staging"))).toEqual([]);
  await scene.run({ directory: scene.one }, (places) => {
    expect(staged(places)).toEqual(contents("a"));
    places.staging.discard(contentOf("a"));
  });
  expect([scene.beside(), fs.existsSync(scene.note)]).toEqual([[], false]);
});

test("whatever directory the next run has, it goes on with all parts and leaves nothing in the others", async () => {
  const scene = new Scene();
  await scene.run({}, stage("a", "b"));
  await scene.run({ directory: scene.one }, stage("c"));
  expect(scene.beside()).toHaveLength(6);
  await scene.run({ directory: "../two" }, (places) => expect(staged(places)).toEqual(contents("a", "b", "c")));
  expect(fs.readdirSync(scene.one)).toEqual([]);
  await scene.run({ staysInPlace: true }, (places) => {
    expect(staged(places)).toEqual(contents("a", "b", "c"));
    expect(places.staging.directory.rootPath).toContain(scene.two);
  });
  await scene.run({}, (places) => expect(staged(places)).toEqual(contents("a", "b", "c")));
  expect([scene.beside(), fs.existsSync(scene.note)]).toEqual([[], false]);
});

test("runs that ended before they took over anything, one after the other, lose and leave nothing", async () => {
  const scene = new Scene();
  await scene.run({}, stage("a"));
  await scene.run({ directory: scene.one }, stage("b"));
  // Killed: neither taken over nor closed.
  await scene.open({ directory: scene.two });
  stage("c")(await scene.open({}));
  await scene.open({ directory: scene.two });
  await scene.run({ directory: scene.one }, (places) => {
    expect(staged(places)).toEqual(contents("a", "b", "c"));
    places.staging.discardAll();
  });
  expect([scene.beside(), fs.existsSync(scene.note)]).toEqual([[], false]);
});

test("a noted directory that somebody removed, and a damaged note, stop nobody", async () => {
  const scene = new Scene();
  await scene.run({ directory: scene.one }, stage("a"));
  fs.rmSync(join(scene.one, fs.readdirSync(scene.one)[0]!), { recursive: true });
  await scene.run({ directory: scene.two }, (places) => expect(staged(places)).toEqual([]));
  expect([scene.beside(), fs.existsSync(scene.note)]).toEqual([[], false]);
  fs.writeFileSync(scene.note, "[1");
  await scene.run({ directory: scene.two }, stage("b"));
  await scene.run({}, (places) => expect(staged(places)).toEqual(contents("b")));
});

test("a copy of DEST leaves what the first one has staged alone", async () => {
  const scene = new Scene();
  const copy = new Scene(scene.root, "copy");
  await scene.run({ directory: scene.one }, stage("a"));
  fs.cpSync(scene.destination, copy.destination, { recursive: true, preserveTimestamps: true });
  await copy.run({ staysInPlace: true }, (places) => expect(staged(places)).toEqual([]));
  await copy.run({ directory: scene.one }, (places) => expect(staged(places)).toEqual([]));
  await copy.run({}, (places) => expect(staged(places)).toEqual([]));
  await scene.run({ directory: scene.one }, (places) => expect(staged(places)).toEqual(contents("a")));
});

test("what is removed while it is open is told of, and the next run makes it anew", async () => {
  const scene = new Scene();
  const elsewhere = scene.run({ directory: scene.one }, (places) => {
    places.assertInPlace();
    fs.rmSync(join(scene.one, fs.readdirSync(scene.one)[0]!), { recursive: true });
    places.assertInPlace();
  });
  await expect(elsewhere).rejects.toMatchObject({ code: "staging-removed" });
  await scene.run({ directory: scene.one }, (places) => {
    stage("a")(places);
    places.assertInPlace();
    expect(staged(places)).toEqual(contents("a"));
  });
});

test("a dry run makes and moves nothing", async () => {
  const scene = new Scene();
  await scene.run({}, stage("a"));
  await scene.run({ directory: scene.one, staysInPlace: true }, (places) =>
    expect(staged(places)).toEqual(contents("a")),
  );
  const missing = join(scene.root, "missing");
  await scene.run({ directory: missing, makesDirectory: true, staysInPlace: true });
  expect([scene.beside(), fs.existsSync(missing), fs.existsSync(scene.note)]).toEqual([[], false, false]);
});

test("what can't take files for DEST is refused and says why", async () => {
  const scene = new Scene();
  fs.mkdirSync(join(scene.destination, "inside"));
  fs.symlinkSync(scene.destination, join(scene.root, "way in"));
  const refusals = [
    [join(scene.root, "missing"), "no such file or directory"],
    ["inside", "lies in DEST"],
    [join(scene.root, "way in"), "lies in DEST"],
    ["/proc", "is on another file system"],
  ] as const;
  for (const [directory, message] of refusals) {
    const refused = { code: "temp-dir-unusable", message: expect.stringContaining(message) as string };
    await expect(scene.open({ directory })).rejects.toMatchObject(refused);
  }
  expect([fs.readdirSync(join(scene.destination, "inside")), fs.existsSync(scene.note)]).toEqual([[], false]);
  await scene.run({ directory: join(scene.root, "made"), makesDirectory: true }, stage("a"));
  expect(fs.readdirSync(join(scene.root, "made"))).toHaveLength(1);
});
