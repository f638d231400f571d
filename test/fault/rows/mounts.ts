import * as fs from "node:fs";
import { join } from "node:path";
import { LoopbackCentral } from "../../support/loopback-central.ts";
import { rsyncDifferences } from "../../support/rsync-referee.ts";
import { digestTree } from "../../support/tree-digest.ts";
import type { FaultRow, Played } from "../harness/fault-row.ts";
import { Mount } from "../harness/mount.ts";

/** Left out unless `--cross-file-systems` asks for it. */
async function otherFileSystem(): Promise<Played> {
  await using central = new LoopbackCentral("fault-mount");
  const point = join(central.tree, "mounted");
  fs.mkdirSync(point);
  fs.writeFileSync(join(central.tree, "own"), "own\n");
  {
    await using _mount = new Mount(["-t", "tmpfs", "tmpfs"], point);
    fs.writeFileSync(join(point, "secret"), "of another file system\n");
    await central.publish();
  }
  await central.serve();
  await central.sync("mirror");
  const found = [...digestTree(central.mirror("mirror")).keys()];
  const crossed = found.filter((path) => path.startsWith("mounted/"));
  return { fired: 1, problems: [...crossed, ...(found.includes("own") ? [] : ["own is missing"])] };
}

/** The same file system once more, one level deep: published as rsync would copy it, and the walk ends. */
async function treeInItself(): Promise<Played> {
  await using central = new LoopbackCentral("fault-bind");
  const point = join(central.tree, "mounted");
  fs.mkdirSync(point);
  fs.writeFileSync(join(central.tree, "own"), "own\n");
  await using _mount = new Mount(["--bind", central.tree], point);
  await central.publish();
  // Ends before the mount does: it keeps what it gives to others open.
  await using _serve = await central.serve();
  await central.sync("mirror");
  const differences = await rsyncDifferences(central.tree, central.mirror("mirror"));
  return { fired: 1, problems: differences === "" ? [] : [differences] };
}

export const MOUNT_ROWS: readonly FaultRow[] = [
  {
    id: "F12",
    fault: "a mount point in the tree, a bind mount of the tree in itself",
    plays: [
      { name: "another file system", kind: "names", play: otherFileSystem },
      { name: "the tree in itself", kind: "names", play: treeInItself },
    ],
  },
];
