import { readlinkSync, statSync } from "node:fs";
import { systemErrorCode } from "../core/errors.ts";
import type { ConfinedDirectory } from "./confined-directory.ts";

/**
 * Where a confined directory is now by an ordinary path, a byte string that ends in "/"; undefined if that can't be told or does
 * not lead there. Nothing keeps it, or what is below it, from leading elsewhere a moment later: fit for comparing, never for trusting.
 */
export function plainPathOf(root: ConfinedDirectory): string | undefined {
  using pinned = root.pinDirectory(undefined);
  try {
    const path = readlinkSync(pinned.procPath.slice(0, -1), { encoding: "latin1" });
    const plain = path.endsWith("/") ? path : `${path}/`;
    const stat = statSync(Buffer.from(`${plain}.`, "latin1"), { bigint: true });
    return stat.dev === root.device && stat.ino === root.inode ? plain : undefined;
  } catch (error) {
    if (systemErrorCode(error) !== undefined) return undefined;
    throw error;
  }
}

/** Does a path lead to a directory that was opened? @param path as of {@link plainPathOf} @param procPath of the open directory */
export function leadsTo(path: string, procPath: string): boolean {
  if (path === procPath) return true;
  try {
    const [there, opened] = [path, procPath].map((at) => statSync(Buffer.from(`${at}.`, "latin1"), { bigint: true }));
    return there!.dev === opened!.dev && there!.ino === opened!.ino;
  } catch (error) {
    if (systemErrorCode(error) !== undefined) return false;
    throw error;
  }
}
