import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";

/**
 * What stands at each path below a directory, without `.prsync` at its top: "directory", "symlink TARGET" or
 * "file SHA-256". Paths and targets have one unit per byte.
 */
export type TreeDigest = ReadonlyMap<string, string>;

export function digestTree(root: string): TreeDigest {
  const digest = new Map<string, string>();
  collect(Buffer.from(root, "utf8").toString("latin1"), "", digest);
  return digest;
}

function collect(root: string, below: string, digest: Map<string, string>): void {
  for (const name of readdirSync(onDisk(`${root}/${below}`), { encoding: "latin1" })) {
    const path = below + name;
    if (path === ".prsync") continue;
    digest.set(path, describe(`${root}/${path}`));
    if (digest.get(path) === "directory") collect(root, `${path}/`, digest);
  }
}

function describe(path: string): string {
  const stats = lstatSync(onDisk(path));
  if (stats.isDirectory()) return "directory";
  if (stats.isSymbolicLink()) return `symlink ${readlinkSync(onDisk(path), { encoding: "latin1" })}`;
  const sha256 = createHash("sha256")
    .update(readFileSync(onDisk(path)))
    .digest("hex");
  return `file ${sha256}`;
}

function onDisk(path: string): Buffer {
  return Buffer.from(path, "latin1");
}

/** A tree between two releases: what is wrong with it, and how far it is. */
export interface Transition {
  /** Paths that are neither as in the old nor as in the new release; empty if all is well. */
  readonly wrong: readonly string[];
  /** Paths that the new release has otherwise than the old one and that are as in the new one. */
  readonly switched: number;
  /** Paths that the new release has otherwise than the old one. */
  readonly toSwitch: number;
}

/** A path only the old release has may be there or not, one only the new release has may be absent; others must be there. */
export function compareTransition(found: TreeDigest, old: TreeDigest, next: TreeDigest): Transition {
  const wrong: string[] = [];
  const changed = [...next].filter(([path, state]) => old.get(path) !== state);
  for (const path of new Set([...found.keys(), ...old.keys(), ...next.keys()])) {
    const allowed = [old.get(path), next.get(path)];
    if (!allowed.includes(found.get(path)))
      wrong.push(`${path}: ${found.get(path) ?? "absent"}, not ${allowed.join(" or ")}`);
  }
  const switched = changed.filter(([path, state]) => found.get(path) === state).length;
  return { wrong, switched, toSwitch: changed.length };
}
