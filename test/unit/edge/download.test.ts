import { expect, test } from "vitest";
import type { ContentId } from "../../../src/core/content-id.ts";
import { repoPathFromText } from "../../../src/core/repo-path.ts";
import { ArrivedContents } from "../../../src/edge/arrived-contents.ts";
import { BundleCatalog } from "../../../src/edge/bundle-catalog.ts";
import { download, type DownloadContext, type DownloadFailure } from "../../../src/edge/download.ts";
import { SyncError } from "../../../src/edge/errors.ts";
import { LineRate } from "../../../src/edge/line-rate.ts";
import { StagedTransfer, type StagedBytes } from "../../../src/edge/staged-transfer.ts";
import { buildInfoDictionary } from "../../../src/manifest/torrent.ts";
import { paceOf } from "../../../src/net/pace.ts";
import { SwarmError } from "../../../src/swarm/errors.ts";
import type { DownloadCall } from "../../../src/swarm/running-download.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { bundleRow, contentOf, MirrorDisk } from "./mirror-disk.ts";

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
/** Of one piece: no hashes are asked for. */
const CONTENT_BYTES = 16 * MIB;

/** Bytes that nobody looks at. */
function rightBytes(content: ContentId): StagedBytes {
  return {
    lengthBytes: CONTENT_BYTES,
    write: async () => undefined,
    read: async (_offset, length) => new Uint8Array(length),
    takePiece: async () => true,
    hashPrefix: async () => undefined,
    prefixDigest: async () => content,
    forgetPrefix: async () => undefined,
  };
}

/** A swarm that gives what the test says, when it says so. */
class ScriptedSwarm {
  readonly begun: number[] = [];
  /** Lengths of info dictionaries. */
  readonly offered: number[] = [];
  readonly #under = new Map<number, { call: DownloadCall; wantedBytes: number; end: PromiseWithResolvers<void> }>();

  readonly port: DownloadContext["swarm"] = {
    download: async ({ number }, wanted, call = {}) => {
      const wantedBytes = wanted.values().reduce((sum, ranges) => sum + ranges.totalBytes, 0);
      const end = Promise.withResolvers<void>();
      call.signal?.addEventListener("abort", () => end.reject(new Error("stopped")), { once: true });
      this.#under.set(number, { call, wantedBytes, end });
      this.begun.push(number);
      await end.promise;
    },
    fetchInfoDictionary: () => Promise.reject(new SwarmError("no-source", "nobody")),
    offerInfoDictionary: (_infoHash, sizeBytes) => void this.offered.push(sizeBytes),
    announceHave: () => undefined,
  };

  /** So much of a bundle came, in all. */
  async receive(number: number, receivedBytes: number): Promise<void> {
    const { call, wantedBytes } = this.#under.get(number)!;
    call.onProgress?.({ receivedBytes, wantedBytes, verifiedPieces: 0, wantedPieces: 256 });
    await settled();
  }

  async finish(number: number): Promise<void> {
    this.#under.get(number)!.end.resolve();
    await settled();
  }

  async fail(number: number): Promise<void> {
    this.#under.get(number)!.end.reject(new SwarmError("no-source", "nobody has it"));
    await settled();
  }
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Of a bundle of these contents; its hashes are nobody's. */
function dictionaryOf(transfers: readonly StagedTransfer[], pieceLength: number): Uint8Array {
  const files = transfers.map(({ content }) => ({
    path: repoPathFromText(content),
    content,
    lengthBytes: CONTENT_BYTES,
  }));
  const pieceHashes = new Uint8Array((20 * transfers.length * CONTENT_BYTES) / pieceLength);
  return buildInfoDictionary({ name: "bundle", pieceLength, files, pieceHashes });
}

interface Running {
  readonly swarm: ScriptedSwarm;
  readonly clock: ManualClock;
  /** Received and wanted, as told last. */
  readonly told: { now: readonly [number, number] | undefined };
  /** So many requests of 1 MiB are answered, then none. */
  readonly http: { answers: number };
  readonly stopHttp: (reason: Error) => void;
  readonly done: Promise<readonly DownloadFailure[]>;
}

/** A download of one bundle per release that is named; bundle numbers count from 1. Nothing but the test moves it. */
async function downloading(
  releases: readonly number[],
  contents = 256,
  pieceLength: number = CONTENT_BYTES,
  dictionary?: PromiseWithResolvers<undefined>,
): Promise<Running> {
  const disk = new MirrorDisk();
  const swarm = new ScriptedSwarm();
  const clock = new ManualClock();
  const objects = { object: () => Promise.reject(new Error("no objects")) };
  const { signal } = new AbortController();
  const catalog = new BundleCatalog({ index: disk.index, files: { read: async () => undefined }, objects, signal });
  const transfers = releases.flatMap((release, at) => {
    const names = Array.from({ length: contents }, (_, ordinal) => contentOf(`${at} ${ordinal}`));
    const table = names.map((content) => ({ content, lengthBytes: CONTENT_BYTES }));
    disk.index.transaction(() => {
      disk.index.bundles.put(bundleRow(at + 1, table, { pieceLength, release }));
      disk.index.bundles.putContents(at + 1, table);
    });
    return names.map((content) => new StagedTransfer(content, rightBytes(content)));
  });
  const told: Running["told"] = { now: undefined };
  const http = { answers: 0 };
  const never = Promise.withResolvers<never>();
  const context: DownloadContext = {
    index: disk.index,
    catalog,
    arrived: new ArrivedContents(),
    central: {
      contentRange: (_content, { start, end }) =>
        http.answers-- > 0 ? Promise.resolve(new Uint8Array(end - start)) : never.promise,
      infoDictionary: async () => (await dictionary?.promise) ?? dictionaryOf(transfers, pieceLength),
    },
    swarm: swarm.port,
    log: disk.log,
    signal: new AbortController().signal,
    clock,
    pace: paceOf(undefined, clock),
    rate: new LineRate(() => 0, clock),
    onProgress: (receivedBytes, wantedBytes) => (told.now = [receivedBytes, wantedBytes]),
  };
  const done = download(transfers, context);
  await settled();
  return { swarm, clock, told, http, stopHttp: never.reject, done };
}

test("large bundles begin one after the other, the newest release first, the next with the last GiB of one", async () => {
  const { swarm, done } = await downloading([1, 3, 2, 3]);
  expect(swarm.begun).toEqual([2]);
  await swarm.receive(2, 3 * GIB);
  expect(swarm.begun).toEqual([2]);
  await swarm.receive(2, 3 * GIB + 1);
  expect(swarm.begun).toEqual([2, 4]);
  await swarm.finish(2);
  expect(swarm.begun).toEqual([2, 4]);
  await swarm.finish(4);
  expect(swarm.begun).toEqual([2, 4, 3]);
  await swarm.finish(3);
  expect(swarm.begun).toEqual([2, 4, 3, 1]);
  await swarm.finish(1);
  expect(await done).toEqual([]);
});

test("what only central has holds up no other bundle", async () => {
  const { swarm, stopHttp, done } = await downloading([2, 1]);
  expect(swarm.begun).toEqual([1]);
  await swarm.fail(1);
  expect(swarm.begun).toEqual([1, 2]);
  await swarm.finish(2);
  stopHttp(new SyncError("content-unavailable", "central has none of it"));
  expect((await done).length).toBe(256);
});

test("a bundle of which nothing comes for some seconds lets the next begin, up to eight at once", async () => {
  const { swarm, clock, done } = await downloading(Array.from({ length: 10 }, () => 1));
  expect(swarm.begun).toEqual([1]);
  clock.advance(4_000);
  await swarm.receive(1, MIB);
  clock.advance(4_000);
  await settled();
  expect(swarm.begun).toEqual([1]);
  clock.advance(2_000);
  await settled();
  expect(swarm.begun).toEqual([1, 2]);
  clock.advance(100_000);
  await settled();
  expect(swarm.begun).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  for (let bundle = 1; bundle <= 10; bundle++) await swarm.finish(bundle);
  expect(await done).toEqual([]);
});

test("progress counts from the start what bundles lack that have not begun", async () => {
  const { swarm, told, done } = await downloading([3, 2, 1]);
  await swarm.receive(1, MIB);
  expect(told.now).toEqual([MIB, 12 * GIB]);
  await swarm.receive(1, 4 * GIB);
  await swarm.receive(2, GIB);
  expect(told.now).toEqual([5 * GIB, 12 * GIB]);
  for (const bundle of [1, 2, 3]) await swarm.finish(bundle);
  expect(await done).toEqual([]);
});

test("what comes over HTTP counts as progress, what was dropped on the way there does not", async () => {
  const { swarm, told, http, stopHttp, done } = await downloading([1], 2);
  await swarm.receive(1, 5 * MIB);
  expect(told.now).toEqual([5 * MIB, 32 * MIB]);
  http.answers = 9;
  await swarm.fail(1);
  await expect.poll(() => told.now).toEqual([9 * MIB, 32 * MIB]);
  stopHttp(new SyncError("content-unavailable", "central lacks them"));
  expect((await done).length).toBe(2);
});

test("an info dictionary that central gave is offered to peers; contents of one piece need none", async () => {
  const whole = await downloading([1], 2);
  expect(whole.swarm.offered).toEqual([]);
  const { swarm, done } = await downloading([1], 2, CONTENT_BYTES / 2);
  await expect.poll(() => swarm.begun).toEqual([1]);
  expect(swarm.offered).toEqual([expect.any(Number)]);
  for (const each of [swarm, whole.swarm]) await each.finish(1);
  expect([await done, await whole.done]).toEqual([[], []]);
});

test("what is fetched does not wait for the info dictionary, what is done does", async () => {
  const dictionary = Promise.withResolvers<undefined>();
  const { swarm, done } = await downloading([1], 2, CONTENT_BYTES / 2, dictionary);
  await expect.poll(() => swarm.begun).toEqual([1]);
  expect(swarm.offered).toEqual([]);
  await swarm.finish(1);
  let isDone = false;
  void done.then(() => (isDone = true));
  await settled();
  expect(isDone).toBe(false);
  dictionary.resolve(undefined);
  expect(await done).toEqual([]);
  expect(swarm.offered).toEqual([expect.any(Number)]);
});

test("a dictionary that can't be had ends the download at once, with its error and without HTTP", async () => {
  const dictionary = Promise.withResolvers<undefined>();
  const { swarm, http, done } = await downloading([1], 2, CONTENT_BYTES / 2, dictionary);
  http.answers = 64;
  await expect.poll(() => swarm.begun).toEqual([1]);
  dictionary.reject(new SyncError("content-unavailable", "central lost it"));
  await expect(done).rejects.toThrow("central lost it");
  expect(http.answers).toBe(64);
});

test("a swarm that ended before the dictionary came is asked again when that is here, before HTTP", async () => {
  const dictionary = Promise.withResolvers<undefined>();
  const { swarm, http, told, done } = await downloading([1], 2, CONTENT_BYTES / 2, dictionary);
  http.answers = 64;
  await expect.poll(() => swarm.begun).toEqual([1]);
  await swarm.fail(1);
  expect(swarm.begun).toEqual([1]);
  dictionary.resolve(undefined);
  await expect.poll(() => swarm.begun).toEqual([1, 1]);
  await swarm.receive(1, CONTENT_BYTES);
  expect(told.now).toEqual([CONTENT_BYTES, 2 * CONTENT_BYTES]);
  await swarm.finish(1);
  expect(await done).toEqual([]);
  expect(http.answers).toBe(64);
});
