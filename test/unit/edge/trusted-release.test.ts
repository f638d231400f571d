import { readFile, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished, expect, test } from "vitest";
import { TrustedReleaseClient } from "../../../src/edge/trusted-release.ts";
import { TufRepository } from "../../../src/publisher/tuf-repository.ts";
import { KeyStore } from "../../../src/store/key-store.ts";
import type { SigningKey } from "../../../src/trust/signing-key.ts";
import { parseMetadata, signMetadata, sha256Hex } from "../../../src/trust/tuf-roles.ts";
import { MetadataServer, ShiftedClock, releaseBytes, temporaryDirectory } from "../../support/trust-fixture.ts";

const DAY_MS = 86_400_000;
/** A bare RegExp inside toMatchObject is ignored by vitest. */
const matching = (pattern: RegExp): string => expect.stringMatching(pattern) as string;
const signal = new AbortController().signal;

interface World {
  readonly clock: ShiftedClock;
  readonly centralDirectory: string;
  readonly mirrorDirectory: string;
  readonly repository: TufRepository;
  readonly server: MetadataServer;
  client(options?: { deadlineMs?: number; minBytesPerSecond?: number; rootFingerprint?: string }): TrustedReleaseClient;
  publish(number: number): Promise<void>;
  tuf(name: string): Promise<Uint8Array>;
  keys(role: "root" | "targets" | "snapshot" | "timestamp"): Promise<readonly SigningKey[]>;
}

/** Central with release 1, a server for it and an empty mirror. */
async function world(options: { publishedAgoMs?: number } = {}): Promise<World> {
  const central = await temporaryDirectory();
  const mirror = await temporaryDirectory();
  const clock = new ShiftedClock();
  clock.shiftMs = -(options.publishedAgoMs ?? 0);
  const repository = await TufRepository.openOrCreate(central.path, clock);
  const server = await MetadataServer.listen(repository);
  const clients: TrustedReleaseClient[] = [];
  onTestFinished(async () => {
    for (const client of clients) await client[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    await central[Symbol.asyncDispose]();
    await mirror[Symbol.asyncDispose]();
  });
  const made: World = {
    clock,
    centralDirectory: central.path,
    mirrorDirectory: mirror.path,
    repository,
    server,
    client: (more = {}) => {
      const { repositoryId, rootFingerprint } = repository;
      const place = { stateDirectory: mirror.path, repository: repositoryId, rootFingerprint, baseUrl: server.url };
      const client = new TrustedReleaseClient({ ...place, clock, ...more });
      clients.push(client);
      return client;
    },
    publish: async (number) => {
      await repository.signRelease(releaseBytes(repository, number), number);
    },
    tuf: async (name) => (await repository.tufFile(name))!,
    keys: async (role) => (await KeyStore.open(join(central.path, "keys"))).of(role).map(({ key }) => key),
  };
  await made.publish(1);
  clock.shiftMs = 0;
  return made;
}

const trustPath = (w: World, name: string): string => join(w.mirrorDirectory, "trust", name);

test("an empty mirror bootstraps from the fingerprint and gets the release", async () => {
  const w = await world();
  const client = w.client();
  const { release, bytes, changed, expiresMs } = await client.refresh(signal);
  expect([release.number, release.repository, changed]).toEqual([1, w.repository.repositoryId, true]);
  expect(bytes).toEqual(Buffer.from(releaseBytes(w.repository, 1)));
  expect(Math.abs(expiresMs - Date.now() - DAY_MS)).toBeLessThan(10_000);
  expect(w.server.asked).toEqual([
    "1.root.json",
    "2.root.json",
    "timestamp.json",
    "1.snapshot.json",
    "1.targets.json",
    `targets/${sha256Hex(bytes)}.release.json`,
  ]);
  expect(client.receivedBytes).toBeGreaterThan(2000);
  expect(client.receivedBytes).toBeLessThan(8000);
});

test("a refresh with nothing new asks for two files and says so", async () => {
  const w = await world();
  const client = w.client();
  await client.refresh(signal);
  w.server.asked.length = 0;
  const again = await client.refresh(signal);
  expect([again.changed, again.release.number]).toEqual([false, 1]);
  expect(w.server.asked).toEqual(["2.root.json", "timestamp.json"]);
});

test("a new release is found, also by a new process", async () => {
  const w = await world();
  await w.client().refresh(signal);
  await w.publish(2);
  const { release, changed } = await w.client().refresh(signal);
  expect([release.number, changed]).toEqual([2, true]);
  expect((await w.client().lastAccepted())?.release.number).toBe(2);
});

test("a pushed timestamp saves a request, an old or forged one does no harm", async () => {
  const w = await world();
  const client = w.client();
  await client.refresh(signal);
  const old = await w.tuf("timestamp.json");
  await w.publish(2);
  w.server.asked.length = 0;
  const pushed = await client.refresh(signal, { timestamp: await w.tuf("timestamp.json") });
  expect(pushed.release.number).toBe(2);
  expect(w.server.asked).not.toContain("timestamp.json");
  expect((await client.refresh(signal, { timestamp: old })).release.number).toBe(2);
  expect((await client.refresh(signal, { timestamp: Buffer.from("{}") })).release.number).toBe(2);
});

test("an old timestamp replayed is refused, also after the cache was truncated or deleted", async () => {
  const w = await world();
  const client = w.client();
  await client.refresh(signal);
  const old = await w.tuf("timestamp.json");
  await w.publish(2);
  await client.refresh(signal);
  w.server.instead.set("timestamp.json", old);
  await expect(client.refresh(signal)).rejects.toMatchObject({ code: "rollback" });
  for (const name of ["timestamp.json", "snapshot.json", "targets.json", "release.json"]) {
    await truncate(trustPath(w, name), 0);
  }
  await expect(client.refresh(signal)).rejects.toMatchObject({ code: "rollback" });
  for (const name of ["timestamp.json", "snapshot.json", "targets.json", "release.json"]) await rm(trustPath(w, name));
  await rm(trustPath(w, "roots"), { recursive: true });
  await expect(w.client().refresh(signal)).rejects.toMatchObject({ code: "rollback" });
  w.server.instead.clear();
  expect((await client.refresh(signal)).release.number).toBe(2);
});

test("damaged files are fetched again: 0 bytes, cut off, one bit wrong", async () => {
  const w = await world();
  await w.repository.rotateKeys("root");
  const client = w.client();
  await client.refresh(signal);
  const names = [
    "roots/1.root.json",
    "roots/2.root.json",
    "timestamp.json",
    "snapshot.json",
    "targets.json",
    "release.json",
  ];
  for (const name of names) {
    const intact = await readFile(trustPath(w, name));
    const flipped = Buffer.from(intact);
    flipped[intact.length >> 1]! ^= 1;
    for (const damaged of [Buffer.alloc(0), intact.subarray(0, intact.length >> 1), flipped]) {
      await writeFile(trustPath(w, name), damaged);
      expect((await client.refresh(signal)).release.number, name).toBe(1);
      expect(await readFile(trustPath(w, name)), name).toEqual(intact);
    }
  }
});

test("nothing is accepted once the marks are damaged, and the message says which file", async () => {
  const w = await world();
  await w.client().refresh(signal);
  await truncate(trustPath(w, "marks.json"), 10);
  await expect(w.client().refresh(signal)).rejects.toMatchObject({
    code: "damaged-state",
    message: matching(/marks\.json/),
  });
});

test("another root than the ticket's is refused and nothing is kept", async () => {
  const w = await world();
  const client = w.client({ rootFingerprint: "ab".repeat(32) });
  await expect(client.refresh(signal)).rejects.toMatchObject({ code: "wrong-root" });
  expect(await readdir(trustPath(w, "roots"))).toEqual([]);
});

test("a bit flipped anywhere in a served file is refused, and the mirror recovers", async () => {
  const w = await world();
  const client = w.client();
  await client.refresh(signal);
  await w.publish(2);
  for (const name of ["timestamp.json", "2.snapshot.json", "2.targets.json"]) {
    const intact = await w.tuf(name);
    for (let at = 0; at < intact.length; at += 7) {
      const flipped = Buffer.from(intact);
      // The lowest bit: another one may only turn a hex digit of a signature into its upper case, which is the same.
      flipped[at]! ^= 1;
      w.server.instead.set(name, flipped);
      await expect(client.refresh(signal), `${name} byte ${at}`).rejects.toMatchObject({ name: "TrustError" });
    }
    w.server.instead.clear();
  }
  expect((await client.refresh(signal)).release.number).toBe(2);
});

test("other bytes under the release's name are refused", async () => {
  const w = await world();
  const name = `targets/${sha256Hex(releaseBytes(w.repository, 1))}.release.json`;
  const other = Buffer.from(releaseBytes(w.repository, 1));
  other[20]! ^= 1;
  w.server.instead.set(name, other);
  await expect(w.client().refresh(signal)).rejects.toMatchObject({ code: "inconsistent" });
  w.server.instead.set(name, Buffer.concat([releaseBytes(w.repository, 1), Buffer.alloc(1)]));
  await expect(w.client().refresh(signal)).rejects.toMatchObject({ code: "malformed" });
});

test("expired metadata is refused, the accepted release stays", async () => {
  const w = await world();
  const client = w.client();
  await client.refresh(signal);
  for (const shiftMs of [25 * 3_600_000, 8 * DAY_MS, 800 * DAY_MS]) {
    w.clock.shiftMs = shiftMs;
    await expect(client.refresh(signal)).rejects.toMatchObject({ code: "expired" });
  }
  expect((await client.lastAccepted())?.release.number).toBe(1);
  w.clock.shiftMs = 25 * 3_600_000;
  await w.repository.renewIfDue();
  expect((await client.refresh(signal)).changed).toBe(false);
});

test("metadata that tuf-js itself finds expired is reported as such", async () => {
  const w = await world({ publishedAgoMs: 2 * DAY_MS });
  await expect(w.client().refresh(signal)).rejects.toMatchObject({ code: "expired", message: matching(/timestamp/) });
});

test("a clock far behind the newest signature is named", async () => {
  const w = await world();
  const client = w.client();
  await client.refresh(signal);
  w.clock.shiftMs = -3_000_000;
  expect((await client.refresh(signal)).changed).toBe(false);
  w.clock.shiftMs = -2 * DAY_MS;
  await expect(client.refresh(signal)).rejects.toMatchObject({ code: "clock-behind" });
});

test("an endless timestamp stops at its cap, a dripping one at the deadline or the rate", async () => {
  const w = await world();
  await w.client().refresh(signal);
  w.server.instead.set("timestamp.json", (_, response) => {
    const timer = setInterval(() => response.write(Buffer.alloc(8192, 32)), 1);
    response.on("close", () => clearInterval(timer));
  });
  const client = w.client();
  await expect(client.refresh(signal)).rejects.toMatchObject({ code: "malformed", message: matching(/16384 bytes/) });
  w.server.instead.set("timestamp.json", (_, response) => {
    const timer = setInterval(() => response.write(" "), 50);
    response.on("close", () => clearInterval(timer));
  });
  await expect(w.client({ deadlineMs: 500 }).refresh(signal)).rejects.toMatchObject({ code: "timeout" });
  w.server.instead.clear();
  expect((await w.client().refresh(signal)).release.number).toBe(1);
});

test("an unreachable central, a redirect and an error page are failures of the network", async () => {
  const w = await world();
  await w.client().refresh(signal);
  w.server.instead.set("timestamp.json", (_, response) => response.writeHead(302, { location: "/else" }).end());
  await expect(w.client().refresh(signal)).rejects.toMatchObject({ name: "NetError", code: "bad-status" });
  w.server.instead.set("timestamp.json", (_, response) => response.writeHead(503).end("run prsync publish"));
  await expect(w.client().refresh(signal)).rejects.toMatchObject({
    name: "NetError",
    message: matching(/run prsync publish/),
  });
  w.server.instead.set("timestamp.json", (request) => request.socket.destroy());
  await expect(w.client().refresh(signal)).rejects.toMatchObject({ name: "NetError", code: "unreachable" });
  w.server.instead.clear();
  w.server.instead.set("1.snapshot.json", (request) => request.socket.destroy());
  await rm(trustPath(w, "snapshot.json"));
  await expect(w.client().refresh(signal)).rejects.toMatchObject({ name: "NetError", code: "unreachable" });
});

test("an aborted refresh throws the signal's reason", async () => {
  const w = await world();
  w.server.instead.set("timestamp.json", () => undefined);
  const stopping = new AbortController();
  setTimeout(() => stopping.abort(new Error("stop now")), 50);
  await expect(w.client().refresh(stopping.signal)).rejects.toThrow("stop now");
});

test("mixed metadata of two releases is refused", async () => {
  const w = await world();
  const client = w.client();
  const [oldSnapshot, oldTargets] = [await w.tuf("1.snapshot.json"), await w.tuf("1.targets.json")];
  await w.publish(2);
  w.server.instead.set("2.targets.json", oldTargets);
  await expect(client.refresh(signal)).rejects.toMatchObject({ code: "inconsistent" });
  w.server.instead.clear();
  w.server.instead.set("2.snapshot.json", oldSnapshot);
  await expect(client.refresh(signal)).rejects.toMatchObject({ code: "inconsistent" });
});

type Json = Record<string, unknown>;

/**
 * Serves metadata of version 50 with other targets, signed as central would sign it: what is wrong is the content alone.
 */
async function forgeTargets(w: World, targets: Json, keysOf: World["keys"] = (role) => w.keys(role)): Promise<void> {
  const forge = async (role: "targets" | "snapshot" | "timestamp", name: string, change: Json): Promise<Uint8Array> => {
    const { signed } = JSON.parse(Buffer.from(await w.tuf(name)).toString()) as { signed: Json };
    const json = { signatures: [], signed: { ...signed, version: 50, ...change } };
    return signMetadata(parseMetadata(role, Buffer.from(JSON.stringify(json))), await keysOf(role));
  };
  w.server.instead.set("50.targets.json", await forge("targets", "1.targets.json", { targets }));
  const listsTargets = { meta: { "targets.json": { version: 50 } } };
  w.server.instead.set("50.snapshot.json", await forge("snapshot", "1.snapshot.json", listsTargets));
  const listsSnapshot = { meta: { "snapshot.json": { version: 50 } } };
  w.server.instead.set("timestamp.json", await forge("timestamp", "timestamp.json", listsSnapshot));
}

/** Signs `bytes` as the release, whatever they are. */
async function forgeRelease(w: World, bytes: Uint8Array, keysOf?: World["keys"]): Promise<void> {
  const sha256 = sha256Hex(bytes);
  await forgeTargets(w, { "release.json": { length: bytes.length, hashes: { sha256 } } }, keysOf);
  w.server.instead.set(`targets/${sha256}.release.json`, bytes);
}

test.each([
  ["no hash", { length: 10, hashes: {} }],
  ["md5 only", { length: 10, hashes: { md5: "d41d8cd98f00b204e9800998ecf8427e" } }],
  ["sha256 and md5", { length: 10, hashes: { sha256: "0".repeat(64), md5: "d41d8cd98f00b204e9800998ecf8427e" } }],
  ["unknown hash", { length: 10, hashes: { whirlpool: "00" } }],
  ["short sha256", { length: 10, hashes: { sha256: "00" } }],
  ["too long", { length: 65_537, hashes: { sha256: "0".repeat(64) } }],
])("a signed target with %s is malformed", async (_, target) => {
  const w = await world();
  await forgeTargets(w, { "release.json": target });
  await expect(w.client().refresh(signal)).rejects.toMatchObject({
    code: "malformed",
    message: matching(/targets metadata/),
  });
});

test.each(["constructor", "toString", "__proto__"])("inherited names are no targets: %s", async (name) => {
  const w = await world();
  const target = { length: 10, hashes: { sha256: "0".repeat(64) } };
  await forgeTargets(w, JSON.parse(`{"${name}":${JSON.stringify(target)}}`) as Json);
  await expect(w.client().refresh(signal)).rejects.toMatchObject({
    code: "malformed",
    message: matching(/"release\.json"/),
  });
});

test("the forging used by these tests is believed when the content is right", async () => {
  const w = await world();
  await forgeRelease(w, releaseBytes(w.repository, 7));
  expect((await w.client().refresh(signal)).release.number).toBe(7);
});

test("a leap of the versions is refused and leaves a mirror that can still update", async () => {
  const w = await world();
  const client = w.client();
  await client.refresh(signal);
  const keys = await w.keys("timestamp");
  const forged = JSON.parse(Buffer.from(await w.tuf("timestamp.json")).toString()) as { signed: { version: number } };
  forged.signed.version = Number.MAX_SAFE_INTEGER;
  w.server.instead.set(
    "timestamp.json",
    signMetadata(parseMetadata("timestamp", Buffer.from(JSON.stringify(forged))), keys),
  );
  await expect(client.refresh(signal)).rejects.toMatchObject({ code: "fast-forward" });
  w.server.instead.clear();
  await w.publish(2);
  expect((await client.refresh(signal)).release.number).toBe(2);
});

test("a smaller leap by a stolen timestamp key is undone by rotating that key", async () => {
  const w = await world();
  const client = w.client();
  const keys = await w.keys("timestamp");
  const forged = JSON.parse(Buffer.from(await w.tuf("timestamp.json")).toString()) as { signed: { version: number } };
  forged.signed.version = 1_000_000;
  w.server.instead.set(
    "timestamp.json",
    signMetadata(parseMetadata("timestamp", Buffer.from(JSON.stringify(forged))), keys),
  );
  await client.refresh(signal);
  w.server.instead.clear();
  await w.publish(2);
  await expect(client.refresh(signal)).rejects.toMatchObject({ code: "rollback" });
  await w.repository.rotateKeys("timestamp");
  await w.repository.renewIfDue();
  expect((await client.refresh(signal)).release.number).toBe(2);
});

test("stolen snapshot and timestamp keys bring in no file", async () => {
  const w = await world();
  const keysOf: World["keys"] = (role) => w.keys(role === "targets" ? "snapshot" : role);
  await forgeRelease(w, releaseBytes(w.repository, 7), keysOf);
  await expect(w.client().refresh(signal)).rejects.toMatchObject({ code: "bad-signature" });
});

test("metadata of another repository is refused", async () => {
  const [w, other] = [await world(), await world()];
  await w.client().refresh(signal);
  w.server.repository = other.repository;
  await expect(w.client().refresh(signal)).rejects.toMatchObject({ code: "bad-signature" });
});

test("a release signed by the right keys for another repository is refused", async () => {
  const w = await world();
  await forgeRelease(w, releaseBytes(w.repository, 2, "0".repeat(32)));
  await expect(w.client().refresh(signal)).rejects.toMatchObject({ code: "wrong-repository" });
});

test("a lower release number, or another release of the same number, is a rollback under any version", async () => {
  const w = await world();
  await w.publish(5);
  const client = w.client();
  await client.refresh(signal);
  await forgeRelease(w, releaseBytes(w.repository, 4));
  await expect(client.refresh(signal)).rejects.toMatchObject({ code: "rollback", message: matching(/release/) });
  const other = Buffer.from(Buffer.from(releaseBytes(w.repository, 5)).toString().replace("T11:00", "T12:00"));
  await forgeRelease(w, other);
  await expect(client.refresh(signal)).rejects.toMatchObject({ code: "rollback", message: matching(/release/) });
  w.server.instead.clear();
  expect((await client.refresh(signal)).release.number).toBe(5);
});

test.each(["root", "targets", "snapshot", "timestamp"] as const)(
  "a mirror follows the rotation of %s",
  async (role) => {
    const w = await world();
    const client = w.client();
    await client.refresh(signal);
    const before = await w.keys(role);
    await w.repository.rotateKeys(role);
    const after = await w.keys(role);
    expect(after).toHaveLength(1);
    expect(after[0]!.publicKeyText).not.toBe(before[0]!.publicKeyText);
    expect((await client.refresh(signal)).release.number).toBe(1);
    await w.publish(2);
    expect((await client.refresh(signal)).release.number).toBe(2);
    w.clock.shiftMs = 2 * 3_600_000;
    expect((await w.repository.renewIfDue()).renewed).toContain("timestamp");
    expect((await w.client().refresh(signal)).release.number).toBe(2);
  },
);

test.each(["targets", "snapshot", "timestamp"] as const)(
  "while %s rotates, a mirror between the two roots is served too",
  async (role) => {
    const w = await world();
    const client = w.client();
    await client.refresh(signal);
    await w.repository.rotateKeys(role);
    w.server.instead.set("2.root.json", undefined);
    expect((await client.refresh(signal)).release.number).toBe(1);
    w.server.instead.clear();
    expect((await client.refresh(signal)).release.number).toBe(1);
  },
);

test.each(["targets", "snapshot", "timestamp"] as const)("a lost key of %s is replaced at once", async (role) => {
  const w = await world();
  const client = w.client();
  await client.refresh(signal);
  const directory = join(w.centralDirectory, "keys");
  const [lost] = (await readdir(directory)).filter((name) => name.startsWith(role));
  await rm(join(directory, lost!));
  await w.repository.rotateKeys(role);
  expect((await client.refresh(signal)).release.number).toBe(1);
});

test("roots of another repository slipped into the state are replaced by the ticket's", async () => {
  const [w, other] = [await world(), await world()];
  const client = w.client();
  await client.refresh(signal);
  await writeFile(trustPath(w, "roots/1.root.json"), await other.tuf("1.root.json"));
  w.server.repository = other.repository;
  await expect(client.refresh(signal)).rejects.toMatchObject({ code: "wrong-root" });
  w.server.repository = w.repository;
  expect((await client.refresh(signal)).release.number).toBe(1);
  expect(await readFile(trustPath(w, "roots/1.root.json"))).toEqual(await w.tuf("1.root.json"));
});

test("a chain of rotations is followed, a gap and a root signed by new keys alone are refused", async () => {
  const w = await world();
  const early = w.client();
  await early.refresh(signal);
  for (let version = 2; version <= 30; version++) {
    await w.repository.rotateKeys(version % 2 === 0 ? "root" : "timestamp");
  }
  w.server.instead.set("17.root.json", undefined);
  await expect(early.refresh(signal)).rejects.toMatchObject({ code: "bad-signature" });
  const intact = parseMetadata("root", await w.tuf("17.root.json"));
  w.server.instead.set("17.root.json", signMetadata(intact, await w.keys("root")));
  await expect(early.refresh(signal)).rejects.toMatchObject({ code: "bad-signature" });
  expect(await readdir(trustPath(w, "roots"))).toHaveLength(16);
  w.server.instead.clear();
  expect((await early.refresh(signal)).release.number).toBe(1);
  expect(await readdir(trustPath(w, "roots"))).toHaveLength(30);
});

test("a raised threshold is followed and one key alone is refused afterwards", async () => {
  const w = await world();
  const client = w.client();
  await client.refresh(signal);
  await w.repository.setThreshold("targets", 2);
  expect((await client.refresh(signal)).release.number).toBe(1);
  await w.publish(2);
  const [first] = await w.keys("targets");
  const metadata = parseMetadata("targets", await w.tuf("3.targets.json"));
  w.server.instead.set("3.targets.json", signMetadata(metadata, [first!]));
  await expect(client.refresh(signal)).rejects.toMatchObject({ name: "TrustError" });
  w.server.instead.clear();
  expect((await client.refresh(signal)).release.number).toBe(2);
});
