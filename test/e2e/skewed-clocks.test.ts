import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LoopbackCentral } from "../support/loopback-central.ts";
import { RunningProgram } from "../support/program.ts";
import { randomBytesOf, sha256Of } from "../support/sample-tree.ts";

const PRELOAD = new URL("../fault/harness/shifted-clock.ts", import.meta.url).href;
const DAY_MS = 86_400_000;
const FILE = "package.deb";
const BYTES = randomBytesOf(1, 300_000);
/** Both synchronise by the right clock, then go on by one that is a day off: a battery ran out, a zone was mistaken. */
test("T10 mirrors whose clocks are a day off announce, are eligible and serve customers", async () => {
  await using opened = new AsyncDisposableStack();
  const central = opened.use(new LoopbackCentral("skewed-clocks"));
  writeFileSync(join(central.tree, FILE), BYTES);
  await central.publish();
  await central.serve(["--announce-interval", "10s"]);
  const mirrors = { ahead: DAY_MS, behind: -DAY_MS };
  const places = new Map<string, string>();
  for (const [name, offsetMs] of Object.entries(mirrors)) {
    await central.sync(name);
    const clock = join(central.directory, `${name}.clock`);
    writeFileSync(clock, String(offsetMs));
    const env = { ...central.env, NODE_OPTIONS: `--import=${PRELOAD}`, PRSYNC_TEST_CLOCK: clock };
    const words = ["daemon", central.mirror(name), "--listen", "127.0.0.1:0", "--peer-port", "0", "--verbose"];
    const daemon = await RunningProgram.start(words, { env });
    opened.defer(async () => void (await daemon.stop()));
    places.set(name, daemon.ready.http);
  }
  const ranked = async (): Promise<readonly string[]> => {
    const answer = await fetch(`${central.url}/${FILE}?explain=json`);
    const { ranked: rows } = (await answer.json()) as { readonly ranked: readonly { readonly name: string }[] };
    return rows.map(({ name }) => name).sort();
  };
  // By what these daemons announced: nobody else told central of their addresses.
  await expect.poll(ranked, { timeout: 30_000 }).toEqual(Object.keys(mirrors));
  for (const place of places.values()) {
    const answer = await fetch(`${place}/${FILE}`, { redirect: "manual" });
    expect([answer.status, sha256Of(await answer.bytes())]).toEqual([200, sha256Of(BYTES)]);
  }
});
