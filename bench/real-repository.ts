// A repository of real npm and Debian packages, published as a series of releases: what central sends for each, ours beside
// `rsync -a --delete` from an rsync daemon, with one mirror and with three. `npm run bench -- real-repository`, or
// `node bench/real-repository.ts --size small --mirrors 1,3` after `npm run build`; packages are fetched once, through npm
// and apt. As root every program runs on a host of its own (network namespace) and bytes are central's interface's, all headers
// included; else all share loopback and these columns stay empty. After each release every mirror is compared with the tree by
// checksum. "reused" is per mirror: what of the release did not travel because the mirror had it, kept files too. Ours and rsync's take turns in going first.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { PrsyncFleet, RsyncFleet, type Fleet, type ReleaseRun } from "./support/mirror-fleet.ts";
import { RealRepository, RELEASES, type ReleaseShape, type RepositorySize } from "./support/real-repository.ts";
import { printTable, versionOf, writeResult, type Column, type Row } from "./support/report.ts";

const COLUMNS: readonly Column[] = [
  { key: "mirrors", title: "mirrors" },
  { key: "release", title: "release" },
  { key: "treeBytes", title: "tree B" },
  { key: "tool", title: "tool" },
  { key: "centralSentBytes", title: "central sent B" },
  { key: "sentToRsync", title: "sent / rsync", digits: 3 },
  { key: "reusedBytes", title: "reused B" },
  { key: "publishSeconds", title: "publish s", digits: 2 },
  { key: "syncSeconds", title: "sync s", digits: 2 },
];

const { values } = parseArgs({
  options: {
    size: { type: "string", default: "full" },
    mirrors: { type: "string", default: "1,3" },
  },
});
const size: RepositorySize = values.size === "small" ? "small" : "full";
const repository = RealRepository.fetch(size);
const rows: Row[] = [];
for (const mirrors of values.mirrors.split(",").map(Number)) rows.push(...(await series(mirrors)));
printTable(COLUMNS, rows);
const digests = Array.from({ length: RELEASES }, (_, index) => repository.shape(index + 1).digest);
writeResult("real-repository", { size, absent: repository.absent, digests, rsync: await versionOf("rsync"), rows });

/** All releases with so many mirrors. */
async function series(mirrors: number): Promise<Row[]> {
  const work = mkdtempSync(join(tmpdir(), "prsync-bench-real-"));
  const tree = join(work, "tree");
  mkdirSync(tree);
  try {
    await using prsync = new PrsyncFleet({ tree, work, mirrors });
    await using rsync = new RsyncFleet({ tree, work, mirrors });
    const rowsOfSeries: Row[] = [];
    for (let release = 1; release <= RELEASES; release++) {
      const shape = repository.apply(tree, release);
      const isOursFirst = release % 2 === 1;
      const runs = await inOrder(isOursFirst ? [prsync, rsync] : [rsync, prsync]);
      const [ours, theirs] = isOursFirst ? runs : runs.toReversed();
      rowsOfSeries.push(
        rowOf("prsync", ours!, { mirrors, release, shape, reference: theirs! }),
        rowOf("rsync", theirs!, { mirrors, release, shape, reference: theirs! }),
      );
    }
    return rowsOfSeries;
  } finally {
    rmSync(work, { recursive: true });
  }
}

async function inOrder(fleets: readonly Fleet[]): Promise<ReleaseRun[]> {
  const runs: ReleaseRun[] = [];
  for (const fleet of fleets) runs.push(await fleet.release());
  return runs;
}

function rowOf(
  tool: string,
  run: ReleaseRun,
  context: {
    readonly mirrors: number;
    readonly release: number;
    readonly shape: ReleaseShape;
    readonly reference: ReleaseRun;
  },
): Row {
  const { mirrors, release, shape, reference } = context;
  return {
    mirrors,
    release,
    treeBytes: shape.bytes,
    tool,
    ...run,
    reusedBytes: Math.round(run.reusedBytes),
    sentToRsync:
      run.centralSentBytes === undefined || reference.centralSentBytes === undefined
        ? undefined
        : run.centralSentBytes / reference.centralSentBytes,
  };
}
