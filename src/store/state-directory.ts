import { createHash } from "node:crypto";
import { closeSync, constants, fsyncSync, lstatSync, mkdirSync, openSync, realpathSync } from "node:fs";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { isSystemError, messageOf } from "../core/errors.ts";
import { StoreError } from "./errors.ts";

/** What decides where the state of a TREE or DEST lives (design: `--state`, environment, user). */
export interface StateDirectoryOptions {
  /** TREE or DEST; need not exist yet. */
  readonly targetPath: string;
  /** `--state DIR`, taken as it is. */
  readonly explicit?: string | undefined;
  /** `$PRSYNC_STATE_HOME` */
  readonly stateHome?: string | undefined;
  readonly isRoot: boolean;
  /** `$XDG_STATE_HOME` */
  readonly xdgStateHome?: string | undefined;
  /** For XDG's default, `~/.local/state`. */
  readonly homeDirectory: string;
}

/** Absolute path of the state directory; nothing is created. */
export function resolveStateDirectory(options: StateDirectoryOptions): string {
  if (options.explicit !== undefined) return resolve(options.explicit);
  return join(stateHomeOf(options), stateName(realPathOf(options.targetPath)));
}

function stateHomeOf(options: StateDirectoryOptions): string {
  if (options.stateHome !== undefined && options.stateHome !== "") return resolve(options.stateHome);
  if (options.isRoot) return "/var/lib/prsync";
  // XDG: relative values are invalid and must be ignored.
  const xdg = options.xdgStateHome !== undefined && isAbsolute(options.xdgStateHome) ? options.xdgStateHome : undefined;
  return join(xdg ?? join(options.homeDirectory, ".local", "state"), "prsync");
}

/** NAME of a real path: its last part for people, and a hash so that two trees never share. */
export function stateName(realPath: string): string {
  const shown = basename(realPath)
    .replace(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[.-]+/, "")
    .slice(0, 40);
  const hash = createHash("sha256").update(realPath).digest("hex").slice(0, 12);
  return `${shown === "" ? "root" : shown}-${hash}`;
}

/** The real path of something that may not exist yet: of its nearest existing ancestor, plus the rest. */
function realPathOf(path: string): string {
  const absolute = resolve(path);
  try {
    return realpathSync(absolute);
  } catch (error) {
    if (!isSystemError(error, "ENOENT") || dirname(absolute) === absolute) throw error;
    return join(realPathOf(dirname(absolute)), basename(absolute));
  }
}

/**
 * Makes a private directory (0700, parents too, durable) or checks the one that is there: keys and marks in it must
 * not be for others to change.
 * @throws StoreError `state-unsafe` if it is a symlink, no directory, of another user, or writable by others
 */
export function ensurePrivateDirectory(path: string): void {
  const absolute = resolve(path);
  try {
    createDurably(absolute);
  } catch (error) {
    throw new StoreError("state-unsafe", `directory "${absolute}" can't be made: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const reason = reasonAgainst(absolute);
  if (reason !== undefined) throw new StoreError("state-unsafe", `private directory "${absolute}" ${reason}`);
}

function reasonAgainst(path: string): string | undefined {
  const stats = lstatSync(path);
  const user = process.geteuid!();
  if (stats.isSymbolicLink()) return "is a symlink";
  if (!stats.isDirectory()) return "is no directory";
  if (stats.uid !== user) return `belongs to user ${stats.uid}, not to ${user}`;
  if ((stats.mode & 0o022) === 0) return undefined;
  return `can be written by others (mode ${(stats.mode & 0o7777).toString(8)}); run chmod 700`;
}

function createDurably(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return;
  const parent = dirname(path);
  createDurably(parent);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (!isSystemError(error, "EEXIST")) throw error;
  }
  const descriptor = openSync(parent, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
