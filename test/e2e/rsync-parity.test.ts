import { existsSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SyncSummary } from "../../src/report/sync-summary.ts";
import {
  all,
  device,
  dir,
  fifo,
  gone,
  hardLink,
  mode,
  moved,
  oddNames,
  PAST,
  plainTree,
  put,
  settleDirectories,
  symlink,
  time,
  type Change,
} from "../support/parity-trees.ts";
import { ParityBench, type ParityCase } from "../support/rsync-parity.ts";
import { randomBytesOf } from "../support/sample-tree.ts";
import { hasRsync } from "../support/rsync-referee.ts";

const LATER = PAST + 1_000;

/** DEST is as TREE but for these changes. */
function changed(...changes: readonly Change[]): Change {
  return all(plainTree, settleDirectories, ...changes);
}

const foreign: Change = all(
  put("foreign", "foreign\n"),
  put("sub/foreign", "foreign\n"),
  put("sub/extra/deep/foreign", "foreign\n"),
  put("extra/read-only/foreign", "foreign\n"),
  mode("extra/read-only", 0o555),
  symlink("foreign link", "a.txt"),
  dir("hollow/foreign empty"),
  fifo("foreign fifo"),
);

const DESTINATIONS: readonly ParityCase[] = [
  { name: "no directory yet" },
  { name: "an empty directory", before: () => undefined },
  { name: "all there", before: changed() },
  { name: "same size, later", before: changed(put("a.txt", "ALPHA\n", { time: LATER })) },
  { name: "same bytes, later", before: changed(time("a.txt", LATER)) },
  { name: "same size and time, other bytes", before: changed(put("a.txt", "ALPHA\n")) },
  { name: "longer", before: changed(put("a.txt", "alpha and more\n")) },
  { name: "shorter", before: changed(put("b.bin", randomBytesOf(5, 60_000))) },
  { name: "changed in its middle", before: changed(put("b.bin", randomBytesOf(6, 70_000), { time: LATER })) },
  { name: "emptied", before: changed(put("sub/c.txt", "")) },
  { name: "filled", before: changed(put("empty", "no more\n")) },
  { name: "other modes", before: changed(mode("a.txt", 0o600), mode("script.sh", 0o644), mode("secret", 0o666)) },
  { name: "nobody may read", before: changed(mode("a.txt", 0), mode("sub", 0)) },
  { name: "other mode and time", before: changed(mode("b.bin", 0o600), time("b.bin", LATER)) },
  { name: "directory of another mode", before: changed(mode("private", 0o755), mode("sub/deep", 0o700)) },
  { name: "directory of another time", before: changed(time("hollow", LATER), time("sub/deep/er", LATER)) },
  { name: "symlink elsewhere", before: changed(symlink("link", "b.bin")) },
  { name: "symlink of another time", before: changed(symlink("dangling", "/nowhere/at all", LATER)) },
  { name: "symlink elsewhere and later", before: changed(symlink("link", "gone", LATER)) },
  { name: "symlink for a file", before: changed(symlink("a.txt", "b.bin")) },
  { name: "file for a symlink", before: changed(put("link", "no link\n")) },
  { name: "symlink for a directory", before: changed(gone("hollow"), symlink("hollow", "sub")) },
  { name: "empty directory for a symlink", before: changed(gone("link"), dir("link")) },
  { name: "empty directory for a file", before: changed(gone("a.txt"), dir("a.txt")) },
  { name: "file for a directory", before: changed(gone("hollow"), put("hollow", "no directory\n")) },
  { name: "fifo for a file", before: changed(gone("a.txt"), fifo("a.txt")) },
  { name: "full directory for a file", before: changed(gone("a.txt"), put("a.txt/inner", "in the way\n")) },
  {
    name: "full directory for a file, --delete",
    before: changed(gone("a.txt"), put("a.txt/inner", "in the way\n"), dir("a.txt/empty")),
    words: ["--delete"],
  },
  { name: "hard links apart", before: changed(put("sub/twin-2", "linked\n"), put("sub/twin-3", "linked\n")) },
  { name: "one name apart and other", before: changed(put("sub/twin-2", "other\n", { time: LATER })) },
  { name: "a name too many", before: changed(hardLink("sub/same-as-a", "a.txt")) },
  { name: "linked to another", before: changed(hardLink("sub/twin-3", "a.txt")) },
  { name: "last name of a hard-link group missing", before: changed(gone("sub/twin-3")) },
  { name: "foreign paths", before: changed(foreign) },
  { name: "foreign paths, --delete", before: changed(foreign), words: ["--delete"] },
  { name: "foreign paths, --delete-delay", before: changed(foreign), words: ["--delete-delay"] },
  { name: "foreign paths, held back for a day", before: changed(foreign), ours: ["--delete-after-age=1d"] },
  {
    name: "foreign paths, held back for no time",
    before: changed(foreign),
    ours: ["--delete-after-age=0"],
    theirs: ["--delete"],
  },
  { name: "nothing to delete", before: changed(), words: ["--delete"] },
  { name: "another tree altogether", before: oddNames, words: ["--delete"] },
  {
    name: "max-delete reached exactly",
    before: changed(gone("a.txt"), put("x", "x"), put("y", "y")),
    words: ["--delete", "--max-delete=2"],
  },
  {
    name: "max-delete of nothing",
    before: changed(gone("a.txt"), put("x", "x"), put("y", "y")),
    words: ["--delete", "--max-delete=0"],
  },
];

const COMPARING: readonly ParityCase[] = [
  { name: "checksum, all there", before: changed(), words: ["--checksum"] },
  { name: "checksum, other bytes", before: changed(put("a.txt", "ALPHA\n")), words: ["--checksum"] },
  { name: "checksum, same bytes, later", before: changed(time("a.txt", LATER)), words: ["-c"] },
  { name: "checksum, into nothing", words: ["--checksum"] },
  { name: "size-only, later", before: changed(time("a.txt", LATER), time("b.bin", LATER)), words: ["--size-only"] },
  { name: "size-only, other bytes", before: changed(put("a.txt", "ALPHA\n", { time: LATER })), words: ["--size-only"] },
  { name: "size-only, longer", before: changed(put("a.txt", "longer than that\n")), words: ["--size-only"] },
  { name: "flags that are always on", words: ["--perms", "--times", "--links", "--hard-links"] },
  { name: "short flags", before: changed(mode("a.txt", 0o600)), words: ["-p", "-t", "-l", "-H"] },
];

/** rsync takes no relative directory with "..", and one in DEST is refused here. */
const STAGING_ELSEWHERE: readonly ParityCase[] = [
  { name: "a directory for temporary files", before: changed(gone("sub")), words: [`--temp-dir=${tmpdir()}`] },
  { name: "the same by its letter, --delete", before: changed(foreign), words: ["-T", tmpdir(), "--delete"] },
  { name: "a directory for parts in each directory", before: changed(gone("b.bin")), words: ["--partial-dir=.part"] },
  { name: "one for all parts", before: changed(put("a.txt", "longer\n")), words: [`--partial-dir=${tmpdir()}`] },
  { name: "no such directory", before: changed(gone("a.txt")), words: ["--temp-dir=/nowhere/at all"] },
];

const SELECTING: readonly ParityCase[] = [
  { name: "exclude", words: ["--exclude=*.txt"] },
  {
    name: "exclude under --delete",
    before: changed(foreign),
    words: ["--delete", "--exclude=foreign", "--exclude=/sub/extra"],
  },
  { name: "include and exclude", words: ["--include=/sub/", "--include=/sub/***", "--exclude=*"] },
  { name: "filter with protect", before: changed(foreign), words: ["--delete", "--filter=P foreign"] },
  { name: "filter with hide", before: changed(), words: ["--delete", "--filter=H *.txt"] },
  { name: "max-size", words: ["--max-size=1K"] },
  { name: "min-size under --delete", before: changed(foreign), words: ["--min-size=1K", "--delete"] },
];

const MODES: readonly ParityCase[] = [
  "D755,F644",
  "u=rwX,go=rX",
  "go-w",
  "+x",
  "a+X",
  "Fa-x,Da+x",
  "ug=rwX,o=",
  "F600,D700",
  "u+w,g=,o=",
  "Fo+w,+t",
  "Dg+s,ug+w,Fo-w,+X",
].map((chmod) => ({ name: `chmod ${chmod}`.replaceAll("/", "_"), words: [`--chmod=${chmod}`] }));

/** Lines of rsync → lines of PRsync where it does less, or the same in another way. */
type Exchange = Readonly<Record<string, readonly string[]>>;

function exchanged(lines: readonly string[], known: Exchange): readonly string[] {
  return lines.flatMap((line) => known[line] ?? [line]).toSorted();
}

/** Each goes on from what the step before left in both; words that fit what happens. */
const RELEASES: readonly (readonly [name: string, change: Change, known?: Exchange])[] = [
  ["a file changes in its middle", put("b.bin", randomBytesOf(8, 70_000), { time: LATER })],
  ["files are renamed", all(moved("b.bin", "moved.bin"), moved("sub/deep", "sub/deeper"))],
  [
    "a directory becomes a file, a file a directory",
    all(gone("hollow"), put("hollow", "no directory\n"), gone("a.txt"), put("a.txt/inner", "in\n")),
  ],
  ["back again", all(gone("hollow"), dir("hollow/inner"), gone("a.txt"), put("a.txt", "alpha again\n"))],
  [
    "symlinks become what they named",
    all(gone("link"), put("link", "alpha\n"), gone("to-directory"), dir("to-directory/sub")),
  ],
  [
    "a hard-link group grows and shrinks",
    all(hardLink("sub/deeper/twin-4", "sub/twin-1"), gone("sub/twin-2")),
    // The group's first name is a copy here, to which the others are linked.
    {
      "hf+++++++++ sub/twin-1 => sub/deeper/twin-4": [
        ">f+++++++++ sub/deeper/twin-4",
        "hf          sub/twin-1 => sub/deeper/twin-4",
        "hf          sub/twin-3 => sub/deeper/twin-4",
      ],
    },
  ],
  ["a hard-link group comes apart", put("sub/twin-3", "linked\n")],
  ["modes alone", all(mode("script.sh", 0o700), mode("private", 0o750), mode("read-only", 0o644))],
  [
    "times alone",
    all(time("secret", LATER), time("dangling", LATER), time("private", LATER)),
    // rsync compares, or sends, a file of another time; the release tells that it is the same.
    { ">f..t...... secret": [".f..t...... secret"] },
  ],
  ["a subtree goes", all(gone("sub/deeper"), gone("private"))],
  ["nothing", () => undefined],
];

/** The figures of `--stats` that both programs mean the same by. */
function figuresOf(stdout: string): readonly string[] {
  return stdout.split("\n").filter((line) => /^(?:Number of|Total file|Total transferred)/.test(line));
}

function loggedChanges(path: string): readonly string[] {
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.flatMap((line) => /^\S+ \S+ \[\d+\] ((?:\*deleting|[<>ch.][fdL]).*)$/.exec(line)?.[1] ?? []).toSorted();
}

describe.skipIf(!hasRsync())("as rsync does it", () => {
  let bench: ParityBench;

  beforeAll(async () => {
    bench = new ParityBench("parity");
    await bench.release(plainTree);
  });
  afterAll(async () => bench[Symbol.asyncDispose]());

  describe.each([
    ["what stands in DEST", DESTINATIONS],
    ["how files are compared", COMPARING],
    ["where files are staged", STAGING_ELSEWHERE],
    ["which paths count", SELECTING],
    ["modes", MODES],
  ] as const)("%s", (_group, cases) => {
    test.concurrent.for(cases)("$name", async ({ name, ...run }, { expect }) => {
      const id = name.replaceAll(/[^a-z0-9]+/gi, "-");
      const { ours, theirs } = await bench.run(id, run);
      expect(await bench.differences(id)).toBe("");
      expect(ours).toEqual(theirs);
    });
  });

  describe("what is told", () => {
    const before = changed(foreign, gone("a.txt"), put("b.bin", randomBytesOf(6, 70_000), { time: LATER }));

    test("a dry run tells the same and changes nothing", async () => {
      const { ours, theirs } = await bench.run("dry", { before, words: ["--delete", "--dry-run"] });
      expect(ours).toEqual(theirs);
      expect(await bench.differences("dry")).toBe("");
      expect(existsSync(join(bench.central.mirror("dry"), ".prsync"))).toBe(false);
    });

    test("a dry run into nothing makes nothing, and foretells what then comes", async () => {
      const { ours, theirs } = await bench.run("dry-new", { words: ["-n"] });
      expect(ours).toEqual(theirs);
      expect(existsSync(bench.central.mirror("dry-new"))).toBe(false);
      const foretold = JSON.parse((await bench.sync("dry-new", ["-n", "--json"])).stdout) as SyncSummary;
      const done = JSON.parse((await bench.sync("dry-new", ["--json"])).stdout) as SyncSummary;
      expect(foretold).toMatchObject({ dryRun: true, release: done.release, files: done.files });
      const { fromPeers, fromOrigin, total, reused } = foretold.bytes;
      expect(fromPeers + fromOrigin).toBe(total - reused);
      expect({ total, reused }).toEqual({ total: done.bytes.total, reused: done.bytes.reused });
    });

    test("--stats counts as rsync does", async () => {
      const words = ["--delete", "--stats"];
      const { told } = await bench.run("stats", { before, words });
      expect(figuresOf(told.ours)).toEqual(figuresOf(told.theirs));
      expect(figuresOf(told.ours)).toHaveLength(6);
    });

    test("--log-file has the changes, and nothing is said with --quiet", async () => {
      const log = (name: string): string => join(bench.central.directory, `${name}.log`);
      const { told } = await bench.run("logged", {
        before,
        words: ["--delete"],
        ours: ["--log-file", log("ours"), "--quiet"],
        theirs: ["--log-file", log("theirs")],
      });
      expect(loggedChanges(log("ours"))).toEqual(loggedChanges(log("theirs")));
      const silent = await bench.sync("logged", ["--quiet", "--log-file", log("ours")]);
      expect(silent).toMatchObject({ code: 0, stdout: "", stderr: "" });
      expect(told.ours).not.toContain("release");
    });
  });

  describe("names and kinds", () => {
    beforeAll(async () => bench.release(all(oddNames, fifo("fifo"), device("device"), put("beside", "beside\n"))));

    test.each<ParityCase>([
      { name: "odd names" },
      { name: "odd names in another DEST", before: plainTree, words: ["--delete"] },
      { name: "a fifo where TREE has one, too", before: all(fifo("fifo"), put("beside", "other\n")) },
    ])("$name", async ({ name, ...run }) => {
      const id = name.replaceAll(/[^a-z0-9]+/gi, "-");
      const { ours, theirs } = await bench.run(id, run);
      expect(await bench.differences(id)).toBe("");
      expect(ours).toEqual(theirs);
    });
  });

  describe("release after release, --delete", () => {
    beforeAll(async () => {
      await bench.release(plainTree);
      await bench.run("releases", {});
    });

    test.for(RELEASES)("%s", async ([, change, known = {}]) => {
      await bench.release(change, "keeps");
      const { ours, theirs } = await bench.run("releases", { words: ["--delete"] });
      expect(await bench.differences("releases")).toBe("");
      expect(ours).toEqual({ ...theirs, changes: exchanged(theirs.changes, known) });
    });
  });
});
