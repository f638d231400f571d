import {
  appendFileSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { seededRandom } from "../../../src/core/clock.ts";
import { RunningProgram, runPrsync } from "../../support/program.ts";
import { compareTransition, digestTree } from "../../support/tree-digest.ts";
import type { FaultBed, MirrorDisk } from "../harness/fault-bed.ts";
import type { FaultPlay, FaultRow, Played } from "../harness/fault-row.ts";
import { StraceLog } from "../harness/injection.ts";

/** Files of more than a block, whose bytes stand nowhere else on the disk. */
const VICTIMS = ["pool/stays.tar", "pool/main/1.deb", "pool/main/21.deb", "pool/main/33.deb", "pool/main/39.deb"];
/** Enough of a file to find it in an image. */
const LANDMARK_BYTES = 64;

/** A bit of each file turns on the disk; size, times and inode stay. */
async function rotOnDisk(mirror: MirrorDisk, paths: readonly string[], seed: number): Promise<void> {
  const random = seededRandom(seed);
  const landmarks = paths.map((path) => readFileSync(join(mirror.destination, path)).subarray(0, LANDMARK_BYTES));
  await mirror.disk.rot((image) => {
    for (const landmark of landmarks) {
      const at = image.indexOf(landmark) + Math.floor(random() * LANDMARK_BYTES);
      image[at]! ^= 1 << Math.floor(random() * 8);
    }
  });
}

async function wrongPaths(mirror: MirrorDisk): Promise<readonly string[]> {
  const found = digestTree(mirror.destination);
  return compareTransition(found, mirror.bed.next, mirror.bed.next).wrong;
}

/** Found and named by verify, mended by verify --repair, exact afterwards. */
function rotFound(seed: number): FaultPlay {
  return {
    name: `bits turn on the disk in ${VICTIMS.length} files, seed ${seed}`,
    kind: "rot",
    play: async (bed, lane) => {
      await using mirror = bed.mirror(lane);
      await mirror.sync();
      await rotOnDisk(mirror, VICTIMS, seed);
      return await verifyAndRepair(mirror);
    },
  };
}

async function verifyAndRepair(mirror: MirrorDisk): Promise<Played> {
  const fired = (await wrongPaths(mirror)).length;
  const place = [mirror.destination, "--state", mirror.state, "--peer-port", "0", "--json"];
  const found = await runPrsync(["verify", ...place]);
  const named = (JSON.parse(found.stdout) as { bad: readonly unknown[] }).bad.length;
  const repaired = await runPrsync(["verify", ...place, "--repair"]);
  return {
    fired,
    problems: [
      ...(found.code === 23 && named >= fired ? [] : [`${fired} files are bad, verify named ${named}`]),
      ...(repaired.code === 0 ? [] : [`verify --repair ended with ${repaired.code}: ${repaired.stderr}`]),
      ...(await wrongPaths(mirror)),
      ...(await mirror.finish()),
    ],
  };
}

/** Without a hash nobody sees it: a sync believes size and times. */
export async function rotWithoutVerify(bed: FaultBed, lane: number): Promise<Played> {
  await using mirror = bed.mirror(lane);
  await mirror.sync();
  await rotOnDisk(mirror, VICTIMS, 1);
  const fired = (await wrongPaths(mirror)).length;
  return { fired, problems: await mirror.finish() };
}

/** Same length, same modification time, other bytes. */
function rewrite(path: string): void {
  const { atime, mtime } = statSync(path);
  const bytes = readFileSync(path);
  bytes.fill(0x58, 100, 200);
  writeFileSync(path, bytes);
  utimesSync(path, atime, mtime);
}

interface Meddling {
  readonly what: string;
  readonly meddle: (path: string) => void;
}

const MEDDLINGS: readonly Meddling[] = [
  { what: "removed", meddle: (path) => rmSync(path) },
  { what: "truncated", meddle: (path) => truncateSync(path, 100) },
  { what: "appended to", meddle: (path) => appendFileSync(path, "more") },
];
const REPLACED: readonly Meddling[] = [
  { what: "rewritten with its old size and time", meddle: rewrite },
  { what: "replaced by other bytes", meddle: (path) => writeFileSync(path, "something else\n") },
];

const VICTIM = "pool/stays.tar";

/** Customers never get other bytes than the release's, and the next sync mends the file. */
function meddledWhileServed({ what, meddle }: Meddling): FaultPlay {
  return {
    name: `a file is ${what} while a daemon serves it`,
    kind: "rot",
    play: async (bed, lane) => {
      await using mirror = bed.mirror(lane);
      await mirror.sync();
      const exact = readFileSync(join(bed.tree, VICTIM));
      const words = ["daemon", mirror.destination, "--state", mirror.state, "--peer-port", "0"];
      const daemon = await RunningProgram.start([...words, "--listen", "127.0.0.1:0"]);
      const before = await bodyOf(daemon);
      meddle(join(mirror.destination, VICTIM));
      const after = await bodyOf(daemon);
      const mended = await runPrsync(["sync", mirror.destination, "--state", mirror.state]);
      await daemon.stop();
      return {
        fired: 1,
        problems: [
          ...(before?.equals(exact) === true ? [] : ["was not served before"]),
          ...(after === undefined || after.equals(exact) ? [] : [`${after.length} wrong bytes were served`]),
          ...(mended.code === 0 ? [] : [`the sync of the daemon ended with ${mended.code}: ${mended.stderr}`]),
          ...(await mirror.finish()),
        ],
      };
    },
  };
}

/** Undefined unless all of it came. */
async function bodyOf(daemon: RunningProgram, path = VICTIM): Promise<Buffer | undefined> {
  try {
    const response = await fetch(`${daemon.ready.http}/${path}`, { redirect: "manual" });
    const body = Buffer.from(await response.arrayBuffer());
    return response.status === 200 ? body : undefined;
  } catch {
    return undefined; // cut off
  }
}

async function readErrorWhileServing(bed: FaultBed, lane: number): Promise<Played> {
  await using mirror = bed.mirror(lane);
  await mirror.sync();
  using log = new StraceLog();
  // With no other name to read it by.
  const lonely = "pool/main/39.deb";
  const paths = [join(mirror.destination, lonely)];
  const enter = log.words({ call: "read", effect: "error=EIO", paths });
  const words = ["daemon", mirror.destination, "--state", mirror.state, "--peer-port", "0", "--listen", "127.0.0.1:0"];
  const daemon = await RunningProgram.start(words, { enter });
  const body = await bodyOf(daemon, lonely);
  const health = await fetch(`${daemon.ready.http}/.prsync/health`);
  // strace passes no signal on.
  const children = readFileSync(`/proc/${daemon.child.pid!}/task/${daemon.child.pid!}/children`, "utf8");
  process.kill(Number(children.split(" ")[0]), "SIGTERM");
  await daemon.stop();
  return {
    fired: log.fired(),
    problems: [
      ...(body === undefined ? [] : ["an answer came from a file that can't be read"]),
      ...(health.status === 200 ? [] : ["the daemon does not answer any more"]),
      ...(await mirror.finish()),
    ],
  };
}

interface Damage {
  readonly what: string;
  readonly damage: (path: string) => void;
}

const DAMAGES: readonly Damage[] = [
  { what: "its head overwritten", damage: (path) => overwrite(path, 0, 100) },
  { what: "its middle overwritten", damage: (path) => overwrite(path, statSync(path).size >> 1, 300) },
  { what: "cut in half", damage: (path) => truncateSync(path, statSync(path).size >> 1) },
  { what: "emptied", damage: (path) => truncateSync(path, 0) },
  { what: "removed", damage: (path) => rmSync(path) },
];

function overwrite(path: string, at: number, length: number): void {
  const bytes = readFileSync(path);
  const end = Math.min(bytes.length, at + length);
  bytes.fill(0xa5, Math.min(at, end), end);
  writeFileSync(path, bytes.length === 0 ? Buffer.alloc(length, 0xa5) : bytes);
}

/** A file of our own is damaged: the tree stays right, and the next run is exact or tells what an operator must do. */
function ownFileDamaged(file: string, damages: readonly Damage[]): FaultPlay[] {
  return damages.map(({ what, damage }) => ({
    name: `${file} ${what}`,
    kind: "rot",
    play: async (bed, lane) => {
      await using mirror = bed.mirror(lane);
      damage(join(mirror.disk.path, file));
      const { code, stderr } = await mirror.sync();
      const isTold =
        code === 0 || ([NOT_TRUSTED, DISK, UNUSABLE].includes(Number(code)) && stderr.includes("prsync error: "));
      const damaged = mirror.findDamage();
      const remedied = code !== NOT_TRUSTED ? [] : await startOver(mirror);
      return {
        fired: 1,
        problems: [
          ...(isTold ? [] : [`ended with ${code}: ${stderr}`]),
          ...damaged,
          ...remedied,
          ...(await mirror.finish()),
        ],
      };
    },
  }));
}

const NOT_TRUSTED = 5;
const DISK = 11;
const UNUSABLE = 3;

/** What docs/errors.md says of marks, identity or key that are damaged: a new ticket. */
async function startOver(mirror: MirrorDisk): Promise<string[]> {
  rmSync(mirror.state, { recursive: true });
  const ticket = await mirror.bed.invite(`again-${Math.floor(performance.now())}`);
  const { code, stderr } = await runPrsync([...mirror.words.slice(0, 1), ticket, ...mirror.words.slice(1)]);
  return code === 0 ? [] : [`starting over ended with ${code}: ${stderr}`];
}

/** Nothing that is there is fetched again. */
async function stateLost(bed: FaultBed, lane: number): Promise<Played> {
  await using mirror = bed.mirror(lane);
  await mirror.sync();
  for (const name of readdirSync(join(mirror.destination, ".prsync")))
    rmSync(join(mirror.destination, ".prsync", name), { recursive: true });
  rmSync(mirror.state, { recursive: true });
  const ticket = await bed.invite(`lost-${lane}`);
  const { code, stdout, stderr } = await runPrsync([...mirror.words.slice(0, 1), ticket, ...mirror.words.slice(1)]);
  const { bytes } = code === 0 ? (JSON.parse(stdout) as { bytes: { fromOrigin: number; fromPeers: number } }) : NOTHING;
  const fetched = bytes.fromOrigin + bytes.fromPeers;
  return {
    fired: 1,
    problems: [
      ...(code === 0 ? [] : [`ended with ${code}: ${stderr}`]),
      ...(fetched === 0 ? [] : [`${fetched} bytes of contents were fetched again`]),
      ...(await mirror.finish()),
    ],
  };
}

const NOTHING = { bytes: { fromOrigin: 0, fromPeers: 0 } };

export const ROT_ROWS: readonly FaultRow[] = [
  {
    id: "S17",
    fault: "read returns EIO while serving",
    plays: [{ name: "EIO in each read of a file, daemon", kind: "rot", play: readErrorWhileServing }],
  },
  { id: "S27", fault: "bit rot in a stored file", plays: [1, 2, 3].map(rotFound) },
  {
    id: "S28",
    fault: "bit rot of same size and times",
    plays: [4, 5].map(rotFound),
  },
  {
    id: "S29",
    fault: "bit rot in our own databases and state",
    plays: [
      ...ownFileDamaged("mirror/.prsync/index.sqlite", DAMAGES),
      ...ownFileDamaged("mirror/.prsync/lock.sqlite", DAMAGES.slice(0, 1)),
      ...ownFileDamaged("state/trust/marks.json", DAMAGES),
      ...ownFileDamaged("state/identity.json", DAMAGES.slice(1)),
      ...ownFileDamaged("state/volunteer.key", DAMAGES.slice(1, 4)),
    ],
  },
  { id: "S30", fault: "a file is deleted or truncated by the admin", plays: MEDDLINGS.map(meddledWhileServed) },
  { id: "S31", fault: "a file is replaced by other content", plays: REPLACED.map(meddledWhileServed) },
  {
    id: "S33",
    fault: "the state directory is lost completely",
    plays: [{ name: "STATE and DEST/.prsync removed", kind: "rot", play: stateLost }],
  },
];
