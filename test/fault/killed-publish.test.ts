import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { realClock } from "../../src/net/real-clock.ts";
import { acquirePublishLock, applySignedRelease } from "../../src/publisher/recover-publish.ts";
import { TufRepository } from "../../src/publisher/tuf-repository.ts";
import { RunningProgram } from "../support/program.ts";
import { PublishFixture } from "../unit/publisher/published-fixture.ts";

const CHILD = new URL("../unit/publisher/publish-child.ts", import.meta.url).pathname;
/** More looks at the clock than a publish takes. */
const MAX_LOOKS = 20;

/** Publishes release 1, then kills the publisher of release 2 after it signed and before the index shows it. */
async function signedAndNotShown(): Promise<PublishFixture> {
  const fixture = new PublishFixture();
  writeFileSync(join(fixture.tree, "file"), "old");
  await fixture.publish();
  writeFileSync(join(fixture.tree, "file"), "new");
  const { stateDirectory, treePath, workDirectory } = fixture.options;
  const repository = await TufRepository.openOrCreate(stateDirectory, realClock);
  for (let look = 1; look < MAX_LOOKS && (await repository.releaseNumber()) === 1; look++) {
    const words = [CHILD, treePath, stateDirectory, workDirectory, String(look)];
    await once(spawn(process.execPath, words, { stdio: "ignore" }), "close");
  }
  using tree = await fixture.open();
  expect([await repository.releaseNumber(), tree.release?.number]).toEqual([2, 1]);
  return fixture;
}

test("serve shows at its start a release whose publish was killed right after it signed", async () => {
  using fixture = await signedAndNotShown();
  const { stateDirectory, treePath } = fixture.options;
  const words = ["--state", stateDirectory, "--listen", "127.0.0.1:0", "--peer-port", "0"];
  await using central = await RunningProgram.start(["serve", treePath, ...words]);
  const response = await fetch(`${central.ready.http}/file`);
  expect(await response.text()).toBe("new");
  expect(central.log).toContain("finished the release of a publish that was killed release=2");
});

test("while a publish runs, and where nothing is signed, nothing is applied", async () => {
  using fixture = await signedAndNotShown();
  const { stateDirectory } = fixture.options;
  const repository = await TufRepository.openOrCreate(stateDirectory, realClock);
  const lock = await acquirePublishLock(stateDirectory, "publish");
  expect(await applySignedRelease(fixture.options, repository, realClock)).toBeUndefined();
  await (lock as AsyncDisposable)[Symbol.asyncDispose]();
  expect(await applySignedRelease(fixture.options, repository, realClock)).toBe(2);
  expect(await applySignedRelease(fixture.options, repository, realClock)).toBeUndefined();
  expect((await fixture.publish()).release).toBeUndefined();
});
