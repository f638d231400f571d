import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { join } from "node:path";
import { repoPathFromText } from "../../../src/core/repo-path.ts";
import { ConfinedDirectory } from "../../../src/store/confined-directory.ts";
import { start } from "../../support/program.ts";
import { digestTree } from "../../support/tree-digest.ts";
import type { FaultBed, MirrorDisk } from "../harness/fault-bed.ts";
import type { FaultPlay, FaultRow, Played } from "../harness/fault-row.ts";
import { HeldRun } from "../harness/held-run.ts";
import { playUntilFired } from "./kill-sync.ts";

/** renameat2 with RENAME_EXCHANGE, over and over: two names change places and neither is ever missing. */
const FLIP = `
import ctypes, sys
libc = ctypes.CDLL(None)
a, b = sys.argv[1].encode(), sys.argv[2].encode()
print("ready", flush=True)
while True:
    libc.renameat2(-100, a, -100, b, 2)
`;

/** While it is not disposed, `first` and `second` change places some hundred thousand times a second. */
async function flipping(first: string, second: string): Promise<AsyncDisposable> {
  const child = spawn("python3", ["-c", FLIP, first, second], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  const ended = once(child, "close");
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

const ATTEMPTS = 4_000;

/** One way of changing something below a root, by a path of two parts. */
type Change = (root: string, attempt: number) => void;

interface RacedCall {
  readonly call: string;
  readonly confined: (directory: ConfinedDirectory) => Change;
  readonly plain: Change;
}

const LEAF = repoPathFromText("swapped/leaf");

const RACED: readonly RacedCall[] = [
  {
    call: "open",
    confined: (directory) => () => fs.closeSync(directory.createExclusive(LEAF)),
    plain: (root) => fs.closeSync(fs.openSync(join(root, LEAF), "wx")),
  },
  {
    call: "mkdir",
    confined: (directory) => () => directory.mkdir(LEAF),
    plain: (root) => fs.mkdirSync(join(root, LEAF)),
  },
  {
    call: "symlink",
    confined: (directory) => () => directory.symlink("nowhere", LEAF),
    plain: (root) => fs.symlinkSync("nowhere", join(root, LEAF)),
  },
  {
    call: "link",
    confined: (directory) => () => directory.link(repoPathFromText("source"), LEAF),
    plain: (root) => fs.linkSync(join(root, "source"), join(root, LEAF)),
  },
  {
    call: "rename",
    confined: (directory) => (root) => {
      fs.writeFileSync(join(root, "moves"), "");
      directory.rename(repoPathFromText("moves"), LEAF);
    },
    plain: (root) => {
      fs.writeFileSync(join(root, "moves"), "");
      fs.renameSync(join(root, "moves"), join(root, LEAF));
    },
  },
  {
    call: "unlink",
    confined: (directory) => () => directory.unlink(repoPathFromText("swapped/there")),
    plain: (root) => fs.unlinkSync(join(root, "swapped/there")),
  },
  {
    call: "chmod",
    confined: (directory) => () => directory.chmod(repoPathFromText("swapped/there"), 0o777),
    plain: (root) => fs.chmodSync(join(root, "swapped/there"), 0o777),
  },
  {
    call: "utimes",
    confined: (directory) => () => directory.setMtime(repoPathFromText("swapped/there"), 5n * 10n ** 9n),
    plain: (root) => fs.utimesSync(join(root, "swapped/there"), 5, 5),
  },
];

/** A parent of the path is a directory one moment and a symlink to somewhere else the next. */
async function race(bed: FaultBed, act: Change): Promise<Played> {
  const place = bed.emptyDirectory();
  const [root, outside] = [join(place, "root"), join(place, "outside")];
  for (const path of [root, outside, join(root, "swapped")]) fs.mkdirSync(path);
  fs.symlinkSync(outside, join(root, "flips"));
  fs.writeFileSync(join(root, "source"), "");
  let swapsSeen = 0;
  let escapes = 0;
  await using _flipping = await flipping(join(root, "swapped"), join(root, "flips"));
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const before = prepareOutside(outside, root);
    try {
      act(root, attempt);
    } catch {
      swapsSeen++;
    }
    if (lookOf(outside) !== before) escapes++;
  }
  return { fired: swapsSeen + escapes, problems: escapes === 0 ? [] : [`${escapes} of ${ATTEMPTS} went outside`] };
}

/** The same names inside and outside, whichever the path leads to. @returns how it looks outside */
function prepareOutside(outside: string, root: string): string {
  for (const name of ["swapped", "flips"]) fs.rmSync(join(root, name, "leaf"), { force: true, recursive: true });
  fs.rmSync(join(outside, "leaf"), { force: true, recursive: true });
  for (const directory of [outside, join(root, "swapped"), join(root, "flips")]) {
    try {
      fs.writeFileSync(join(directory, "there"), "", { mode: 0o600 });
    } catch {
      // It changed places meanwhile: the other turn makes it.
    }
  }
  fs.rmSync(join(outside, "there"), { force: true });
  fs.writeFileSync(join(outside, "there"), "", { mode: 0o600 });
  return lookOf(outside);
}

function lookOf(outside: string): string {
  return fs
    .readdirSync(outside)
    .map((name) => {
      const { mode, mtimeMs } = fs.lstatSync(join(outside, name));
      return `${name} ${mode} ${mtimeMs}`;
    })
    .sort()
    .join("\n");
}

export async function raceWithoutConfinement(bed: FaultBed): Promise<Played> {
  const played = [];
  for (const { plain } of RACED) played.push(await race(bed, plain));
  return { fired: played.length, problems: played.flatMap(({ problems }) => problems) };
}

const racedCalls: readonly FaultPlay[] = RACED.map(({ call, confined }) => ({
  name: `${ATTEMPTS} calls of ${call} below a directory that changes places with a symlink`,
  kind: "race",
  // Opened anew each time: a held descriptor of `swapped` would go on leading inside and see none of the swaps.
  play: (bed) =>
    race(bed, (root, attempt) => {
      using directory = ConfinedDirectory.open(root);
      confined(directory)(root, attempt);
    }),
}));

/** A whole sync while one of the mirror's directories changes places with a symlink to outside. */
async function raceOfSync(bed: FaultBed, lane: number): Promise<Played> {
  await using mirror = bed.mirror(lane);
  const outside = join(mirror.disk.path, "outside");
  fs.cpSync(join(mirror.destination, "pool/main"), outside, { recursive: true });
  const before = digestTree(outside);
  const link = join(mirror.disk.path, "flips");
  fs.symlinkSync(outside, link);
  const victim = join(mirror.destination, "pool/main");
  const race = await flipping(victim, link);
  const child = start(mirror.words);
  await once(child, "close");
  await race[Symbol.asyncDispose]();
  // Whichever stands there now: the directory back, the link away.
  if (fs.lstatSync(victim).isSymbolicLink()) {
    fs.rmSync(victim);
    fs.renameSync(link, victim);
  }
  const isUntouched = JSON.stringify([...digestTree(outside)].sort()) === JSON.stringify([...before].sort());
  return { fired: 1, problems: [...(isUntouched ? [] : ["files outside were changed"]), ...(await mirror.finish())] };
}

interface Planted {
  readonly what: string;
  readonly plant: (path: string, mirror: MirrorDisk) => void;
}

const PLANTED: readonly Planted[] = [
  {
    what: "a symlink to outside",
    plant: (path, mirror) => fs.symlinkSync(join(mirror.disk.path, "canary/bird"), path),
  },
  { what: "a FIFO", plant: (path) => void execFileSync("mkfifo", [path]) },
  { what: "a device", plant: (path) => void execFileSync("mknod", [path, "c", "1", "5"]) },
  { what: "a directory", plant: (path) => fs.mkdirSync(path) },
  {
    what: "a socket",
    plant: (path) =>
      void execFileSync("python3", [
        "-c",
        "import socket,sys,os; os.chdir(os.path.dirname(sys.argv[1])); socket.socket(socket.AF_UNIX).bind(os.path.basename(sys.argv[1]))",
        path,
      ]),
  },
];

/** Where files of the release are to be: one that changes, one that stays. */
function planted({ what, plant }: Planted): FaultPlay {
  return {
    name: `${what} where a file is to be`,
    kind: "names",
    play: async (bed, lane) => {
      await using mirror = bed.mirror(lane);
      for (const name of ["pool/large.iso", "script.sh"]) {
        fs.rmSync(join(mirror.destination, name));
        plant(join(mirror.destination, name), mirror);
      }
      return { fired: 2, problems: await mirror.finish() };
    },
  };
}

/** A file of the mirror is another name of a file outside: that must keep its bytes, mode and time. */
async function hardLinkOutside(bed: FaultBed, lane: number): Promise<Played> {
  await using mirror = bed.mirror(lane);
  for (const name of ["pool/large.iso", "script.sh"]) {
    const [inside, outside] = [join(mirror.destination, name), join(mirror.disk.path, name.replace("/", "-"))];
    fs.linkSync(inside, outside);
  }
  const outside = join(mirror.disk.path, "pool-large.iso");
  const before = fs.readFileSync(outside);
  const problems = await mirror.finish();
  const isUntouched = fs.readFileSync(outside).equals(before);
  return { fired: 1, problems: [...problems, ...(isUntouched ? [] : ["the file outside was changed"])] };
}

/** Paths that can't be changed fail by name (23); all others are done. */
async function immutable(bed: FaultBed, lane: number, paths: readonly string[]): Promise<Played> {
  await using mirror = bed.mirror(lane);
  const whole = paths.map((path) => join(mirror.destination, path));
  execFileSync("chattr", ["+i", ...whole]);
  const { code, stderr } = await mirror.sync();
  execFileSync("chattr", ["-i", ...whole]);
  const named = paths.filter((path) => stderr.includes(path));
  return {
    fired: Number(code !== 0),
    problems: [
      ...(code === 23 ? [] : [`ended with ${code}: ${stderr}`]),
      ...(named.length === paths.length ? [] : [`did not name ${paths.join(", ")}: ${stderr}`]),
      ...mirror.findDamage(),
      ...(await mirror.finish()),
    ],
  };
}

async function rootIsLink(bed: FaultBed, lane: number): Promise<Played> {
  await using mirror = bed.mirror(lane);
  const real = join(mirror.disk.path, "real");
  fs.renameSync(mirror.destination, real);
  fs.symlinkSync("real", mirror.destination);
  const problems = await mirror.finish();
  const isLink = fs.lstatSync(mirror.destination).isSymbolicLink();
  return { fired: 1, problems: [...problems, ...(isLink ? [] : ["the symlink was replaced"])] };
}

/** Another directory stands where the mirror stood: nothing is put there. */
function rootReplaced(fraction: number): FaultPlay {
  return {
    name: `another directory in its place, at ${fraction}`,
    kind: "race",
    play: (bed, lane) => playUntilFired(bed, { call: "write", fraction, lane }, replaceRoot),
  };
}

async function replaceRoot(mirror: MirrorDisk, when: number): Promise<Played> {
  const aside = join(mirror.disk.path, "aside");
  using held = await HeldRun.start(mirror.words, { call: "write", when });
  fs.renameSync(mirror.destination, aside);
  fs.mkdirSync(mirror.destination);
  const { code, stderr } = await held.letOn();
  const put = fs.readdirSync(mirror.destination);
  fs.rmSync(mirror.destination, { recursive: true });
  fs.renameSync(aside, mirror.destination);
  return {
    fired: Number(held.isHeld),
    problems: [
      ...([0, 3].includes(Number(code)) ? [] : [`ended with ${code}: ${stderr}`]),
      ...(put.length === 0 ? [] : [`put ${put.join(", ")} into the other directory`]),
      ...mirror.findDamage(),
      ...(await mirror.finish()),
    ],
  };
}

interface Unsafe {
  readonly what: string;
  readonly make: (mirror: MirrorDisk) => void;
  readonly mend: (mirror: MirrorDisk) => void;
}

const UNSAFE: readonly Unsafe[] = [
  {
    what: "a state directory that others may write to",
    make: ({ state }) => fs.chmodSync(state, 0o777),
    mend: ({ state }) => fs.chmodSync(state, 0o700),
  },
  {
    what: "a state directory that is a symlink",
    make: ({ state }) => {
      fs.renameSync(state, `${state}.real`);
      fs.symlinkSync(`${state}.real`, state);
    },
    mend: ({ state }) => {
      fs.rmSync(state);
      fs.renameSync(`${state}.real`, state);
    },
  },
  {
    what: "a key that others may read",
    make: ({ state }) => fs.chmodSync(join(state, "volunteer.key"), 0o644),
    mend: ({ state }) => fs.chmodSync(join(state, "volunteer.key"), 0o600),
  },
  {
    what: "a key that is a symlink",
    make: ({ state }) => {
      fs.renameSync(join(state, "volunteer.key"), join(state, "real.key"));
      fs.symlinkSync("real.key", join(state, "volunteer.key"));
    },
    mend: ({ state }) => fs.renameSync(join(state, "real.key"), join(state, "volunteer.key")),
  },
];

function unsafeState({ what, make, mend }: Unsafe): FaultPlay {
  return {
    name: what,
    kind: "names",
    play: async (bed, lane) => {
      await using mirror = bed.mirror(lane);
      make(mirror);
      const { code, stderr } = await mirror.sync();
      const isUntouched = JSON.stringify([...digestTree(mirror.destination)]) === JSON.stringify([...bed.old]);
      mend(mirror);
      return {
        fired: Number(code !== 0),
        problems: [
          ...(code === 3 && stderr.includes("state-unsafe") ? [] : [`ended with ${code}: ${stderr}`]),
          ...(isUntouched ? [] : ["the tree was changed"]),
          ...(await mirror.finish()),
        ],
      };
    },
  };
}

export const OBJECT_ROWS: readonly FaultRow[] = [
  {
    id: "F08",
    fault: "a parent directory is replaced by a symlink during the run",
    plays: [...racedCalls, { name: "a whole sync", kind: "race", play: raceOfSync }],
  },
  { id: "F09", fault: "a file is replaced by a symlink, FIFO, device, socket", plays: PLANTED.map(planted) },
  {
    id: "F10",
    fault: "a hard link to a file outside",
    plays: [{ name: "of a file that changes and one that does not", kind: "names", play: hardLinkOutside }],
  },
  {
    id: "F18",
    fault: "immutable files",
    plays: [
      { name: "a file that changes", kind: "names", play: (bed, lane) => immutable(bed, lane, ["pool/large.iso"]) },
      { name: "a file that goes", kind: "names", play: (bed, lane) => immutable(bed, lane, ["goes/away/2"]) },
      { name: "a directory", kind: "names", play: (bed, lane) => immutable(bed, lane, ["pool/main"]) },
    ],
  },
  {
    id: "F19",
    fault: "the root of the mirror is a symlink, or is replaced",
    plays: [{ name: "a symlink", kind: "race", play: rootIsLink }, rootReplaced(0.2), rootReplaced(0.7)],
  },
  { id: "F20", fault: "state and key files that are symlinks or open to others", plays: UNSAFE.map(unsafeState) },
];
