import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { realClock } from "../../src/net/real-clock.ts";
import { DEFAULT_PUBLISH_OPTIONS } from "../../src/publisher/publish-options.ts";
import { publishTree } from "../../src/publisher/publish-tree.ts";
import { LoopbackCentral } from "../support/loopback-central.ts";
import { RunningProgram } from "../support/program.ts";
import { nextVersion, npmGzip, sourceText } from "../support/tar-like.ts";

const V1 = sourceText(6_000_000, 7);
const V2 = nextVersion(V1, 20);
const V3 = nextVersion(V2, 21);
const NEXT = npmGzip(V2);
const LAST = npmGzip(V3);

/** A package of 2 MB whose next version differs in twenty places, under another name. */
describe("a new version of a compressed file", () => {
  let central: LoopbackCentral;

  beforeAll(async () => {
    central = new LoopbackCentral("inside");
    writeFileSync(join(central.tree, "package-1.0.1.tgz"), npmGzip(V1));
    await central.publish();
    await central.serve();
    for (const name of ["first", "second", "plain"]) await central.sync(name);
    rmSync(join(central.tree, "package-1.0.1.tgz"));
    writeFileSync(join(central.tree, "package-1.0.2.tgz"), NEXT);
    await central.publish();
  }, 120_000);

  afterAll(async () => central[Symbol.asyncDispose]());

  test("comes by way of what is inside with --save-traffic, and is served so to the next mirror", async () => {
    const { bytes } = await central.sync("first", ["--delete", "--save-traffic"]);
    expectNext(central, "first");
    console.log(`look inside: ${bytes.received} bytes received for a file of ${NEXT.length}`);
    expect(bytes.received).toBeLessThan(0.1 * NEXT.length);

    await using daemon = await RunningProgram.start(
      ["daemon", central.mirror("first"), "--listen", "127.0.0.1:0", "--peer-port", "0", "--now"],
      { env: central.env },
    );
    await daemon.waitFor(({ event }) => event === "synced");
    const second = await central.sync("second", ["--delete", "--save-traffic"]);
    expectNext(central, "second");
    console.log(`from a mirror that unpacks: ${second.bytes.fromPeers} of ${second.bytes.received} bytes`);
    expect(second.bytes.received).toBeLessThan(0.1 * NEXT.length);
    expect(second.bytes.fromPeers).toBeGreaterThan(0);
  }, 120_000);

  test("comes by way of what is inside where the old one stands at its path", async () => {
    await using own = new LoopbackCentral("inside-same-path");
    const published = join(own.tree, "package-latest.tgz");
    writeFileSync(published, npmGzip(V1));
    await own.publish();
    await own.serve();
    await own.sync("mirror");
    writeFileSync(published, NEXT);
    await own.publish();
    const { bytes } = await own.sync("mirror", ["--save-traffic"]);
    expect(readFileSync(join(own.mirror("mirror"), "package-latest.tgz")).equals(NEXT)).toBe(true);
    expect(bytes.received).toBeLessThan(0.1 * NEXT.length);
  }, 120_000);

  test("comes as it is where that is quicker", async () => {
    // Over loopback compressing takes longer than fetching.
    const { bytes } = await central.sync("plain");
    expectNext(central, "plain");
    expect(bytes.fromPeers + bytes.fromOrigin).toBeGreaterThan(0.9 * NEXT.length);
  }, 120_000);

  test("comes as it is after all where its recorded settings give other bytes", async () => {
    rmSync(join(central.tree, "package-1.0.2.tgz"));
    writeFileSync(join(central.tree, "package-1.0.3.tgz"), LAST);
    await publishWithWrongSettings(central);
    const { bytes } = await central.sync("first", ["--delete", "--save-traffic"]);
    expect(readFileSync(join(central.mirror("first"), "package-1.0.3.tgz")).equals(LAST)).toBe(true);
    expect(bytes.received).toBeGreaterThan(LAST.length);
    expect(bytes.received).toBeLessThan(1.2 * LAST.length);
  }, 120_000);
});

function expectNext(central: LoopbackCentral, name: string): void {
  const files = readdirSync(central.mirror(name)).filter((file) => file !== ".prsync");
  expect(files).toEqual(["package-1.0.2.tgz"]);
  expect(readFileSync(join(central.mirror(name), files[0]!)).equals(NEXT)).toBe(true);
}

/** A publish looks inside and dies; what it noted is changed; the next one releases that. */
async function publishWithWrongSettings(central: LoopbackCentral): Promise<void> {
  const [state] = readdirSync(join(central.directory, "state")).filter((name) => name.startsWith("tree"));
  const died = publishTree(
    {
      ...DEFAULT_PUBLISH_OPTIONS,
      treePath: central.tree,
      stateDirectory: join(central.directory, "state", state!),
      workDirectory: `${central.tree}.prsync`,
      clock: {
        ...realClock,
        wallMs: () => {
          throw new Error("died");
        },
      },
    },
    { onPhase: () => undefined, onScan: () => undefined, onHash: () => undefined },
  );
  await expect(died).rejects.toThrow("died");
  using database = new DatabaseSync(`${central.tree}.prsync/index.sqlite`);
  const { changes } = database
    .prepare(
      `UPDATE recompressions SET line = replace(line, '"level":9', '"level":4') WHERE content IN
      (SELECT id FROM contents WHERE bundle IS NULL)`,
    )
    .run();
  expect(changes).toBe(1);
  database.close();
  await central.publish();
}
