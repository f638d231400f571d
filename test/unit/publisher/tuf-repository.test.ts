import { chmod, cp, mkdir, readdir, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished, expect, test } from "vitest";
import { TufRepository } from "../../../src/publisher/tuf-repository.ts";
import { sha256Hex, parseMetadata } from "../../../src/trust/tuf-roles.ts";
import { ShiftedClock, releaseBytes, temporaryDirectory } from "../../support/trust-fixture.ts";

const DAY_MS = 86_400_000;
/** A bare RegExp inside toMatchObject is ignored by vitest. */
const matching = (pattern: RegExp): string => expect.stringMatching(pattern) as string;
const HOUR_MS = 3_600_000;

async function place(): Promise<{
  readonly path: string;
  readonly clock: ShiftedClock;
  open: () => Promise<TufRepository>;
}> {
  const directory = await temporaryDirectory();
  onTestFinished(() => directory[Symbol.asyncDispose]());
  const clock = new ShiftedClock();
  return { path: directory.path, clock, open: () => TufRepository.openOrCreate(directory.path, clock) };
}

async function publish(repository: TufRepository, number: number): Promise<boolean> {
  return await repository.signRelease(releaseBytes(repository, number), number);
}

test("the first opening creates a repository, later ones find it", async () => {
  const { open } = await place();
  const first = await open();
  const second = await open();
  expect([first.wasCreated, second.wasCreated]).toEqual([true, false]);
  expect(first.repositoryId).toMatch(/^[0-9a-f]{32}$/);
  expect(second.repositoryId).toBe(first.repositoryId);
  expect(second.rootFingerprint).toBe(sha256Hex((await first.tufFile("1.root.json"))!));
  expect(second.passKey).toBe(first.passKey);
  expect(await second.releaseNumber()).toBeUndefined();
});

test("two processes that create at once agree", async () => {
  const { open } = await place();
  const [first, second] = await Promise.all([open(), open()]);
  expect(first.repositoryId).toBe(second.repositoryId);
  expect([first.wasCreated, second.wasCreated].sort()).toEqual([false, true]);
});

test("a release is signed once; lower, equal and foreign ones are refused", async () => {
  const { open } = await place();
  const repository = await open();
  expect(await publish(repository, 3)).toBe(true);
  expect(await publish(repository, 3)).toBe(false);
  expect(await repository.releaseNumber()).toBe(3);
  await expect(publish(repository, 2)).rejects.toMatchObject({ code: "rollback" });
  const foreign = releaseBytes(repository, 4, "f".repeat(32));
  await expect(repository.signRelease(foreign, 4)).rejects.toMatchObject({ code: "wrong-repository" });
  await expect(repository.signRelease(Buffer.from("{}"), 4)).rejects.toMatchObject({ code: "bad-release" });
  expect(await repository.releaseNumber()).toBe(3);
});

test("the newest three releases stay", async () => {
  const { open, path } = await place();
  const repository = await open();
  for (let number = 1; number <= 20; number++) await publish(repository, number);
  const kept = await readdir(join(path, "tuf", "targets"));
  const expected = [18, 19, 20].map((number) => `${sha256Hex(releaseBytes(repository, number))}.release.json`);
  expect(kept.sort()).toEqual(expected.sort());
  expect((await readdir(join(path, "tuf"))).filter((name) => name.endsWith(".targets.json"))).toHaveLength(16);
});

test("only served names are read", async () => {
  const { open, path } = await place();
  const repository = await open();
  await writeFile(join(path, "tuf", "secret.json"), "{}");
  for (const name of ["secret.json", "../keys", "targets/../../tuf.lock", "0.root.json", "1.timestamp.json", ""]) {
    expect(await repository.tufFile(name), name).toBeUndefined();
  }
});

test("a crash after any file of a publication is repaired by publishing again", async () => {
  const { open, path } = await place();
  const repository = await open();
  await publish(repository, 1);
  const tuf = join(path, "tuf");
  await cp(tuf, join(path, "before"), { recursive: true });
  await publish(repository, 2);
  await cp(tuf, join(path, "after"), { recursive: true });
  const written = [
    `targets/${sha256Hex(releaseBytes(repository, 2))}.release.json`,
    "2.targets.json",
    "2.snapshot.json",
  ];
  for (let count = 0; count <= written.length; count++) {
    await rename(tuf, join(path, `dead-${count}`));
    await cp(join(path, "before"), tuf, { recursive: true });
    for (const name of written.slice(0, count)) await cp(join(path, "after", name), join(tuf, name));
    await writeFile(join(tuf, "timestamp.json.0a1b2c.tmp"), "half");
    const restarted = await open();
    expect(await restarted.releaseNumber()).toBe(1);
    expect((await readdir(tuf)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
    expect(await publish(restarted, 2)).toBe(true);
    expect(await restarted.releaseNumber()).toBe(2);
    const snapshot = parseMetadata("timestamp", (await restarted.tufFile("timestamp.json"))!).signed.snapshotMeta;
    expect(snapshot.version).toBe(count === written.length ? 3 : 2);
  }
});

test("renewal follows the clock: timestamp hourly, snapshot daily, targets monthly, root yearly", async () => {
  const { open } = await place();
  const repository = await open();
  await publish(repository, 1);
  const now = Date.now();
  const renewedAfter = async (ms: number): Promise<readonly string[]> =>
    (await repository.renewIfDue(now + ms)).renewed;
  expect(await renewedAfter(0.9 * HOUR_MS)).toEqual([]);
  expect(await renewedAfter(1.1 * HOUR_MS)).toEqual(["timestamp"]);
  expect(await renewedAfter(1.2 * HOUR_MS)).toEqual([]);
  expect(await renewedAfter(25 * HOUR_MS)).toEqual(["snapshot", "timestamp"]);
  expect(await renewedAfter(31 * DAY_MS)).toEqual(["targets", "snapshot", "timestamp"]);
  expect(await renewedAfter(366 * DAY_MS)).toEqual(["root", "targets", "snapshot", "timestamp"]);
  expect((await repository.renewIfDue(now + 366 * DAY_MS)).warnings).toEqual([]);
  expect(await repository.releaseNumber()).toBe(1);
});

test("renewal before the first release has nothing to do", async () => {
  const { open } = await place();
  expect(await (await open()).renewIfDue()).toEqual({ renewed: [], warnings: [] });
});

test("exported keys leave the machine, are missed by name and warned of, and work again when copied back", async () => {
  const { open, path } = await place();
  const repository = await open();
  await publish(repository, 1);
  const stick = join(path, "stick");
  const exported = await repository.exportKeys(stick);
  expect(exported.map(({ role }) => role)).toEqual(["root", "targets"]);
  const here = (await repository.listKeys()).filter(({ isHere }) => isHere).map(({ role }) => role);
  expect(here).toEqual(["snapshot", "timestamp", "pass"]);
  await expect(publish(repository, 2)).rejects.toMatchObject({ code: "missing-key", message: matching(/targets/) });
  await expect(repository.rotateKeys("timestamp")).rejects.toMatchObject({
    code: "missing-key",
    message: matching(/root-/),
  });
  const { renewed, warnings } = await repository.renewIfDue(Date.now() + 31 * DAY_MS);
  expect(renewed).toEqual(["snapshot", "timestamp"]);
  expect(warnings).toEqual([
    expect.stringMatching(/^targets metadata ends at .* \(58 days\): its keys are not on this machine$/),
  ]);
  for (const name of await readdir(stick)) await cp(join(stick, name), join(path, "keys", name));
  expect(await publish(repository, 2)).toBe(true);
});

test("keys are not exported onto themselves", async () => {
  const { open, path } = await place();
  const repository = await open();
  await symlink(join(path, "keys"), join(path, "same"));
  await expect(repository.exportKeys(join(path, "keys"))).rejects.toMatchObject({ code: "state-unsafe" });
  await expect(repository.exportKeys(join(path, "same"))).rejects.toMatchObject({ code: "state-unsafe" });
  expect((await repository.listKeys()).every(({ isHere }) => isHere)).toBe(true);
});

test("rotation replaces a key, also when the old one is lost", async () => {
  const { open, path } = await place();
  const repository = await open();
  await publish(repository, 1);
  const [old] = (await repository.listKeys()).filter(({ role }) => role === "targets");
  await mkdir(join(path, "lost"));
  await rename(join(path, "keys", `targets-${old!.keyId.slice(0, 16)}.pem`), join(path, "lost", "key"));
  await repository.rotateKeys("targets");
  const [current, ...others] = (await repository.listKeys()).filter(({ role }) => role === "targets");
  expect(others).toEqual([]);
  expect(current).toMatchObject({ isHere: true, isTrusted: true, threshold: 1 });
  expect(current!.keyId).not.toBe(old!.keyId);
  expect(await publish(repository, 2)).toBe(true);
});

test("a raised threshold makes the keys it needs, impossible ones are refused", async () => {
  const { open } = await place();
  const repository = await open();
  await publish(repository, 1);
  expect(await repository.setThreshold("root", 3)).toHaveLength(2);
  expect((await repository.listKeys()).filter(({ role }) => role === "root")).toHaveLength(3);
  await repository.rotateKeys("root");
  expect(await repository.setThreshold("root", 2)).toEqual([]);
  expect((await repository.listKeys()).find(({ role }) => role === "root")?.threshold).toBe(2);
  for (const threshold of [0, 11, 1.5]) {
    await expect(repository.setThreshold("targets", threshold)).rejects.toMatchObject({ code: "bad-threshold" });
  }
  expect(await publish(repository, 2)).toBe(true);
});

test("keys that others can read, or that are symlinks, are refused by name", async () => {
  const { open, path } = await place();
  const repository = await open();
  const [name] = (await readdir(join(path, "keys"))).filter((found) => found.startsWith("root-"));
  const file = join(path, "keys", name!);
  await chmod(file, 0o644);
  await expect(publish(repository, 1)).rejects.toMatchObject({
    code: "state-unsafe",
    message: matching(/root-.*chmod 600/),
  });
  await chmod(file, 0o600);
  await rename(file, join(path, "elsewhere.pem"));
  await symlink(join(path, "elsewhere.pem"), file);
  await expect(publish(repository, 1)).rejects.toMatchObject({ code: "state-unsafe", message: matching(/symlink/) });
  await rename(join(path, "elsewhere.pem"), file);
  await chmod(join(path, "keys"), 0o755);
  await expect(publish(repository, 1)).rejects.toMatchObject({ code: "state-unsafe", message: matching(/chmod 700/) });
});

test("publishing and renewing from several processes at once lose nothing", async () => {
  const { open } = await place();
  const publisher = await open();
  await publish(publisher, 1);
  const servers = await Promise.all([open(), open(), open()]);
  const later = Date.now() + 2 * HOUR_MS;
  const version = async (): Promise<number> =>
    parseMetadata("timestamp", (await publisher.tufFile("timestamp.json"))!).signed.version;
  for (let number = 2; number <= 4; number++) {
    const before = await version();
    const renewals = servers.map((server, at) => server.rotateKeys(at === 1 ? "snapshot" : "timestamp"));
    await Promise.all([publish(publisher, number), ...renewals, publisher.renewIfDue(later + number * DAY_MS)]);
    expect(await publisher.releaseNumber()).toBe(number);
    expect(await version()).toBeGreaterThanOrEqual(before + 4);
  }
});

test("a broken chain of roots is named, not repaired", async () => {
  const { open, path } = await place();
  const repository = await open();
  await repository.rotateKeys("root");
  await writeFile(join(path, "tuf", "2.root.json"), "");
  await expect(open()).rejects.toMatchObject({ code: "damaged-state" });
});
