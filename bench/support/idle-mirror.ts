// A mirror's store and swarm with so many bundles that nobody talks about: `node --expose-gc idle-mirror.ts BUNDLES DIRECTORY`.
// Prints its resident bytes as one JSON line: ready and idle; after a peer asked for every bundle once and left.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "../../src/core/clock.ts";
import { contentIdOf } from "../../src/core/content-id.ts";
import { BundleCatalog } from "../../src/edge/bundle-catalog.ts";
import { HeldContents } from "../../src/edge/held-contents.ts";
import { ArrivedContents } from "../../src/edge/arrived-contents.ts";
import { HoldingsReporter } from "../../src/edge/holdings-report.ts";
import { PassAdmission } from "../../src/net/pass-admission.ts";
import { realClock } from "../../src/net/real-clock.ts";
import { createSwarmNode } from "../../src/net/swarm-node.ts";
import { DEFAULT_SWARM_LIMITS } from "../../src/net/swarm-options.ts";
import { ConfinedDirectory } from "../../src/store/confined-directory.ts";
import { MirrorIndex } from "../../src/store/mirror-index.ts";
import { DEFAULT_SOURCE_PATIENCE } from "../../src/swarm/running-download.ts";
import { SigningKey, volunteerIdOf } from "../../src/trust/signing-key.ts";

const CONTENTS_PER_BUNDLE = 100;
const PIECE_LENGTH = 64 * 1024;
const REPOSITORY = "0123456789abcdef0123456789abcdef";

const [bundlesWord, directory] = process.argv.slice(2);
const bundles = Number(bundlesWord);
const path = join(directory!, `index-${bundles}.sqlite`);
if (process.argv[4] === "fill") fill();
else await measure();

function fill(): void {
  using index = MirrorIndex.open(path);
  index.transaction(() => {
    for (let number = 1; number <= bundles; number++) putBundle(index, number);
  });
}

function putBundle(index: MirrorIndex, number: number): void {
  const contents = Array.from({ length: CONTENTS_PER_BUNDLE }, (_, ordinal) => ({
    content: contentIdOf(randomBytes(32)),
    lengthBytes: 1_000 + ordinal * 1_000,
  }));
  const pieces = contents.reduce((sum, { lengthBytes }) => sum + Math.ceil(lengthBytes / PIECE_LENGTH), 0);
  index.bundles.put({
    number,
    kind: "content",
    infoHash: randomBytes(20).toString("hex"),
    lengthBytes: pieces * PIECE_LENGTH,
    pieceLength: PIECE_LENGTH,
    contentCount: contents.length,
    release: number,
    table: { sha256: contents[0]!.content, lengthBytes: 40 * contents.length },
    name: `release-${number}`,
  });
  index.bundles.putContents(number, contents);
  const stat = { mtimeNs: 1n, ctimeNs: 1n };
  for (const [ordinal, { content, lengthBytes }] of contents.entries()) {
    const inode = number * CONTENTS_PER_BUNDLE + ordinal;
    index.files.put(`bundle-${number}/file-${ordinal}` as never, {
      stat: { ...stat, size: lengthBytes, ino: BigInt(inode) },
      content,
      isVerified: true,
    });
  }
}

async function measure(): Promise<void> {
  using index = MirrorIndex.open(path);
  using destination = ConfinedDirectory.open(directory!);
  const log = { debug: () => {}, info: () => {}, warn: () => {} };
  const arrived = new ArrivedContents();
  await using files = new HeldContents({ destination, index, log, clock: realClock, arrived, onChanged: () => {} });
  const objects = { object: () => Promise.reject(new Error("nothing is fetched")) };
  const catalog = new BundleCatalog({ index, files, objects, signal: new AbortController().signal });
  const holdings = new HoldingsReporter(index, { arrived });
  holdings.isComplete = true;
  const key = SigningKey.fromSeed(randomBytes(32));
  const nobody = (): boolean => false;
  await using node = await createSwarmNode({
    ownId: volunteerIdOf(key.publicKey),
    admission: new PassAdmission({
      key,
      repository: REPOSITORY,
      clock: realClock,
      pass: () => "",
      passKey: () => key.publicKey,
      isRevoked: nobody,
    }),
    isOrigin: false,
    allowsStockClients: nobody,
    host: "127.0.0.1",
    port: 0,
    clock: realClock,
    random: seededRandom(1),
    log,
    limits: DEFAULT_SWARM_LIMITS,
    patience: DEFAULT_SOURCE_PATIENCE,
    findBundle: (infoHash) => catalog.bundle(infoHash),
    isRevoked: nobody,
  });
  node.setPeers([]);
  const idleBytes = await residentBytes();
  let pieces = 0;
  for (const row of index.bundles.all()) {
    pieces += (await catalog.bundle(row.infoHash))!.held.count;
    // As between two peers: what nobody uses is let go.
    if (row.number % 100 === 0) await residentBytes();
  }
  console.log(JSON.stringify({ idleBytes, askedBytes: await residentBytes(), pieces }));
}

async function residentBytes(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.();
    await sleep(20);
  }
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))![1];
  return Number(kibibytes) * 1024;
}
