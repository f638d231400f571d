import { closeSync, constants, fstatSync, openSync, readSync, realpathSync, statSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { parse, TomlError } from "smol-toml";
import { isSystemError, messageOf } from "../../core/errors.ts";

/** What a configuration file may name. */
export type PlaceKind = "mirror" | "tree";
export const PLACE_KINDS: readonly PlaceKind[] = ["mirror", "tree"];

/** A configuration file as it was found; its keys are not checked yet. */
export interface ConfigFile {
  readonly path: string;
  /** To find lines in. */
  readonly text: string;
  /** Undefined if it is no TOML: then nobody knows what it names. */
  readonly content: Readonly<Record<string, unknown>> | undefined;
  /** Why it can't be used, whatever its keys say; each with file and line. */
  readonly problems: readonly string[];
}

const MAX_BYTES = 1 << 20;

/** Undefined if it is not there or not for this user to read. */
export function readConfigFile(path: string): ConfigFile | undefined {
  let descriptor: number;
  try {
    // A FIFO or a device would keep us waiting.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR", "EACCES", "EPERM")) return undefined;
    return unusable(path, messageOf(error));
  }
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) return unusable(path, "is no regular file");
    if (stats.size > MAX_BYTES) return unusable(path, "has more than 1 MiB");
    return parseText(path, readAll(descriptor), reasonsAgainst(path, stats));
  } catch (error) {
    return unusable(path, messageOf(error));
  } finally {
    closeSync(descriptor);
  }
}

function unusable(path: string, why: string): ConfigFile {
  return { path, text: "", content: undefined, problems: [`${path}: ${why}`] };
}

function readAll(descriptor: number): string {
  const buffer = Buffer.alloc(MAX_BYTES + 1);
  let length = 0;
  for (;;) {
    const read = readSync(descriptor, buffer, length, buffer.length - length, null);
    if (read === 0) break;
    length += read;
  }
  if (length > MAX_BYTES) throw new Error("has more than 1 MiB");
  // TOML 1.0: a file is UTF-8; a byte order mark is none of its content.
  return new TextDecoder("utf-8", { fatal: true }).decode(buffer.subarray(0, length));
}

function parseText(path: string, text: string, problems: readonly string[]): ConfigFile {
  try {
    return { path, text, content: parse(text), problems };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // What follows the first line draws the place.
    const why = error.message.split("\n")[0]!.replace(/^Invalid TOML document: /, "");
    return { path, text, content: undefined, problems: [...problems, `${path}:${error.line}: no TOML: ${why}`] };
  }
}

/**
 * Hooks run what a file says, `dest` and `delete` remove: whoever may write the file, or put another in its place, would act as this
 * user. As ssh has it for its own.
 */
function reasonsAgainst(path: string, file: Stats): string[] {
  const directories = new Set([dirname(path), dirname(realpathSync(path))]);
  const isSticky = ({ mode }: Stats): boolean => (mode & 0o1000) !== 0;
  return [
    ...reasonsAgainstOne(path, file),
    ...[...directories].flatMap((directory) => {
      const stats = statSync(directory);
      return isSticky(stats) ? [] : reasonsAgainstOne(directory, stats);
    }),
  ];
}

function reasonsAgainstOne(path: string, { uid, mode }: Stats): string[] {
  const user = process.geteuid!();
  if (uid !== user && uid !== 0)
    return [
      `${path}: belongs to user ${uid}; it must be this user's (${user}) or root's, for it may name commands to run`,
    ];
  if ((mode & 0o022) === 0) return [];
  const octal = (mode & 0o7777).toString(8);
  return [`${path}: others may write to it (mode ${octal}), and it may name commands to run; run chmod go-w ${path}`];
}
