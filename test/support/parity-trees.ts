import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { randomBytesOf } from "./sample-tree.ts";

/** Seconds since 1970 of everything in a tree that says nothing else. */
export const PAST = 1_700_000_000;

/** Changes a directory. */
export type Change = (directory: string) => void;

/** A file with all directories above it and a time in the past. */
export function put(path: string, text: string | Uint8Array, options: { mode?: number; time?: number } = {}): Change {
  return (directory) => {
    const full = join(directory, path);
    mkdirSync(dirname(full), { recursive: true });
    rmSync(full, { force: true });
    writeFileSync(full, text);
    chmodSync(full, options.mode ?? 0o644);
    time(path, options.time ?? PAST)(directory);
  };
}

export function dir(path: string, options: { mode?: number; time?: number } = {}): Change {
  return (directory) => {
    mkdirSync(join(directory, path), { recursive: true });
    chmodSync(join(directory, path), options.mode ?? 0o755);
    utimesSync(join(directory, path), options.time ?? PAST, options.time ?? PAST);
  };
}

export function symlink(path: string, target: string, time: number = PAST): Change {
  return (directory) => {
    rmSync(join(directory, path), { force: true });
    symlinkSync(target, join(directory, path));
    lutimesSync(join(directory, path), time, time);
  };
}

export function hardLink(path: string, to: string): Change {
  return (directory) => {
    rmSync(join(directory, path), { force: true });
    linkSync(join(directory, to), join(directory, path));
  };
}

export function gone(path: string): Change {
  return (directory) => rmSync(join(directory, path), { recursive: true });
}

export function moved(from: string, to: string): Change {
  return (directory) => renameSync(join(directory, from), join(directory, to));
}

export function mode(path: string, bits: number): Change {
  return (directory) => chmodSync(join(directory, path), bits);
}

/** @param seconds since 1970; Node takes negative numbers for now, but not their text */
export function time(path: string, seconds: number): Change {
  const told = seconds < 0 ? String(seconds) : seconds;
  return (directory) => lutimesSync(join(directory, path), told, told);
}

export function owner(path: string, uid: number, gid: number): Change {
  return (directory) => chownSync(join(directory, path), uid, gid);
}

/** A file with holes around its data. */
export function sparse(path: string, lengthBytes: number): Change {
  return (directory) => {
    put(path, randomBytesOf(77, 4096))(directory);
    truncateSync(join(directory, path), lengthBytes);
    time(path, PAST)(directory);
  };
}

export function fifo(path: string): Change {
  return (directory) => void execFileSync("mkfifo", [join(directory, path)]);
}

/** A character device, which only root can make. */
export function device(path: string): Change {
  return (directory) => void execFileSync("mknod", [join(directory, path), "c", "1", "3"]);
}

/** Several changes, one after the other. */
export function all(...changes: readonly Change[]): Change {
  return (directory) => {
    for (const change of changes) change(directory);
  };
}

/** A copy of another tree, times and hard links too. */
export function copyOf(tree: string): Change {
  return (directory) => {
    mkdirSync(directory, { recursive: true });
    execFileSync("cp", ["-a", `${tree}/.`, directory]);
  };
}

/** Gives every directory a time in the past, from the bottom up, so that only what a test changes is new. */
export function settleDirectories(tree: string): void {
  execFileSync("find", [tree, "-depth", "-type", "d", "-exec", "touch", "-d", `@${PAST}`, "{}", "+"]);
}

/** Everything that a tree can have and rsync keeps by `-rlptH`. */
export const plainTree: Change = all(
  put("a.txt", "alpha\n"),
  put("b.bin", randomBytesOf(5, 70_000)),
  put("empty", ""),
  put("script.sh", "#!/bin/sh\n", { mode: 0o755 }),
  put("secret", "secret\n", { mode: 0o600 }),
  put("read-only", "read only\n", { mode: 0o444 }),
  put("old", "before 1970\n", { time: -86_400.5 }),
  put("fraction", "a fraction of a second\n", { time: PAST + 0.123456 }),
  put("sub/c.txt", "gamma\n"),
  put("sub/deep/er/d.txt", "delta\n"),
  put("sub/twin-1", "linked\n"),
  hardLink("sub/twin-2", "sub/twin-1"),
  hardLink("sub/twin-3", "sub/twin-1"),
  put("sub/same-as-a", "alpha\n"),
  dir("hollow/inner"),
  dir("private", { mode: 0o700 }),
  put("private/p.txt", "private\n", { mode: 0o640 }),
  symlink("link", "a.txt"),
  symlink("to-directory", "sub"),
  symlink("dangling", "/nowhere/at all"),
);

/** Names that a shell, a terminal or a parser may stumble over. */
export const oddNames: Change = all(
  ...[
    "-dash",
    ".hidden",
    " space at both ends ",
    "tab\tinside",
    "line\nbreak",
    "carriage\rreturn",
    "quote'\"`$(x)",
    "star*?[a]",
    "back\\slash",
    "back\\#012",
    "back\\#01",
    "naïve-日本語",
    "é".repeat(100),
    "n".repeat(255),
    "percent%41%",
    "colon:and;comma,",
    "~tilde",
  ].map((name) => put(name, `${name.length}\n`)),
  put("directory with spaces/inner file", "inner\n"),
  symlink("arrow -> not", "tab\tinside"),
);
