// One end of a link, in a process of its own: `node swarm-link.ts seed FILE INFO` or `fetch DEST INFO PORT`. Prints JSON
// lines: a seed its port, at SIGTERM its CPU seconds; a fetcher its wall and CPU seconds. Admission, passes, storage and
// hashing are those of the real programs: origin over OpenContents, mirror over its staging area.
import { randomBytes } from "node:crypto";
import { fstatSync, readFileSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { once } from "node:events";
import { performance } from "node:perf_hooks";
import type { TorrentFile } from "../../src/manifest/torrent.ts";
import type { SwarmNode } from "../../src/net/swarm-node.ts";
import type { SwarmBundle, WantedRanges } from "../../src/swarm/ports.ts";
import type { SigningKey as AnySigningKey } from "../../src/trust/signing-key.ts";

const { OpenContents } = await built<typeof import("../../src/central/open-contents.ts")>("central/open-contents");
const { Bitfield } = await built<typeof import("../../src/core/bitfield.ts")>("core/bitfield");
const { BundleLayout } = await built<typeof import("../../src/core/bundle-layout.ts")>("core/bundle-layout");
const { RangeSet } = await built<typeof import("../../src/core/byte-range.ts")>("core/byte-range");
const { seededRandom } = await built<typeof import("../../src/core/clock.ts")>("core/clock");
const { MirrorBundle } = await built<typeof import("../../src/edge/mirror-bundle.ts")>("edge/mirror-bundle");
const { StagedTransfer } = await built<typeof import("../../src/edge/staged-transfer.ts")>("edge/staged-transfer");
const { ContentTable, encodeContentTable } =
  await built<typeof import("../../src/manifest/content-table.ts")>("manifest/content-table");
const { infoHashOf, parseInfoDictionary } =
  await built<typeof import("../../src/manifest/torrent.ts")>("manifest/torrent");
const { PieceMemories } = await built<typeof import("../../src/store/piece-memory.ts")>("store/piece-memory");
const { PassAdmission } = await built<typeof import("../../src/net/pass-admission.ts")>("net/pass-admission");
const { realClock } = await built<typeof import("../../src/net/real-clock.ts")>("net/real-clock");
const { createSwarmNode } = await built<typeof import("../../src/net/swarm-node.ts")>("net/swarm-node");
const { DEFAULT_SWARM_LIMITS } = await built<typeof import("../../src/net/swarm-options.ts")>("net/swarm-options");
const { ConfinedDirectory } =
  await built<typeof import("../../src/store/confined-directory.ts")>("store/confined-directory");
const { SmallReads } = await built<typeof import("../../src/store/small-reads.ts")>("store/small-reads");
const { StagingArea } = await built<typeof import("../../src/store/staging.ts")>("store/staging");
const { DEFAULT_SOURCE_PATIENCE } =
  await built<typeof import("../../src/swarm/running-download.ts")>("swarm/running-download");
const { issuePass, PASS_VALIDITY_MS } = await built<typeof import("../../src/trust/pass.ts")>("trust/pass");
const { SigningKey, volunteerIdOf } = await built<typeof import("../../src/trust/signing-key.ts")>("trust/signing-key");

const REPOSITORY = "0123456789abcdef0123456789abcdef";
/** Both processes are of one repository without a central: its key is made from this. */
const PASS_SIGNER = SigningKey.fromSeed(Buffer.alloc(32, 7));
const ORIGIN_KEY = SigningKey.fromSeed(Buffer.alloc(32, 8));

const [role, path, infoPath, port] = process.argv.slice(2);
const info = readFileSync(infoPath!);
const { files, pieceLength } = parseInfoDictionary(info);
const [content, ...others] = files;
if (content === undefined || others.length > 0) throw new Error("expected a bundle of one content");

if (role === "seed") await seed(path!, content);
else await fetch(path!, content, Number(port));

async function seed(file: string, { content, lengthBytes }: TorrentFile): Promise<void> {
  const handle = await open(file);
  const smallReads = new SmallReads();
  const stat = fstatSync(handle.fd, { bigint: true });
  // As store/retained-contents-reader.ts does.
  const read = async (offset: number, length: number, memory?: Uint8Array): Promise<Uint8Array> => {
    const bytes = memory ?? Buffer.allocUnsafe(length);
    let filled = smallReads.fill(handle.fd, bytes, offset);
    while (filled < length) filled += (await handle.read(bytes, filled, length - filled, offset + filled)).bytesRead;
    if (fstatSync(handle.fd, { bigint: true }).mtimeNs !== stat.mtimeNs) throw new Error("the file was changed");
    return bytes;
  };
  await using contents = new OpenContents({
    openContent: async () => ({
      lengthBytes: statSync(file).size,
      read,
      [Symbol.asyncDispose]: () => handle.close(),
    }),
  });
  const layout = new BundleLayout([lengthBytes], pieceLength);
  const bundle: SwarmBundle = {
    number: 1,
    infoHash: infoHashOf(info),
    layout,
    held: Bitfield.full(layout.pieceCount),
    storage: {
      readBlock: (piece, offset, length, memory) => {
        const start = piece * pieceLength + offset;
        return contents.read(content, { start, end: start + length }, memory);
      },
      writeBlock: () => Promise.reject(new Error("a seed takes nothing")),
      completePiece: () => Promise.reject(new Error("a seed takes nothing")),
    },
    infoDictionary: async () => info,
  };
  await using node = await openNode(bundle, ORIGIN_KEY, true);
  const before = process.cpuUsage();
  console.log(JSON.stringify({ port: node.port }));
  await once(process, "SIGTERM");
  console.log(JSON.stringify({ cpuSeconds: cpuSecondsSince(before) }));
}

async function fetch(destination: string, { content, lengthBytes }: TorrentFile, originPort: number): Promise<void> {
  using directory = ConfinedDirectory.open(destination);
  using staging = StagingArea.open(directory);
  const transfer = new StagedTransfer(content, staging.stage(content, lengthBytes));
  const layout = new BundleLayout([lengthBytes], pieceLength);
  const bundle = new MirrorBundle(
    {
      number: 1,
      kind: "content",
      infoHash: infoHashOf(info),
      lengthBytes: layout.pieceCount * pieceLength,
      pieceLength,
      contentCount: 1,
      release: 1,
      table: { sha256: content, lengthBytes: 0 },
      name: "link",
    },
    {
      layout,
      contents: ContentTable.parse(encodeContentTable([{ content, lengthBytes }])),
      held: new Bitfield(layout.pieceCount),
      files: { read: async () => undefined },
      transfers: new Map([[content, transfer]]),
      memories: new PieceMemories(),
      infoDictionary: async () => info,
    },
  );
  bundle.usePieceHashes(info);
  await using node = await openNode(bundle, SigningKey.fromSeed(randomBytes(32)), false);
  const wanted: WantedRanges = new Map(
    Array.from({ length: layout.pieceCount }, (_, piece) => [
      piece,
      RangeSet.of({ start: 0, end: layout.dataLengthOfPiece(piece) }),
    ]),
  );
  const before = process.cpuUsage();
  const start = performance.now();
  const id = volunteerIdOf(ORIGIN_KEY.publicKey);
  node.setPeers([{ id, host: "127.0.0.1", port: originPort, isOrigin: true, mayHold: () => true }]);
  await node.download(bundle, wanted);
  if (!(await transfer.isExact())) throw new Error("the content differs from its SHA-256");
  const wallSeconds = (performance.now() - start) / 1000;
  console.log(
    JSON.stringify({ wallSeconds, cpuSeconds: cpuSecondsSince(before), file: `.prsync/staging/${content}.part` }),
  );
}

async function openNode(bundle: SwarmBundle, key: AnySigningKey, isOrigin: boolean): Promise<SwarmNode> {
  const subject = { repository: REPOSITORY, publicKey: key.publicKey, origin: isOrigin };
  const pass = issuePass(PASS_SIGNER, subject, Date.now() + PASS_VALIDITY_MS);
  const nobody = (): boolean => false;
  return await createSwarmNode({
    ownId: volunteerIdOf(key.publicKey),
    admission: new PassAdmission({
      key,
      repository: REPOSITORY,
      clock: realClock,
      pass: () => pass,
      passKey: () => PASS_SIGNER.publicKey,
      isRevoked: nobody,
    }),
    isOrigin,
    allowsStockClients: () => false,
    host: "127.0.0.1",
    port: 0,
    clock: realClock,
    random: seededRandom(1),
    log: { debug: () => {}, info: () => {}, warn: (...words) => console.error(...words) },
    limits: DEFAULT_SWARM_LIMITS,
    patience: DEFAULT_SOURCE_PATIENCE,
    findBundle: async (infoHash) => (infoHash === bundle.infoHash ? bundle : undefined),
    isRevoked: nobody,
  });
}

function cpuSecondsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** What people run: types stripped as the modules are loaded, in each thread, would count as the transfer's time. */
async function built<Module>(name: string): Promise<Module> {
  return (await import(new URL(`../../dist/src/${name}.js`, import.meta.url).href)) as Module;
}
