import { type BigIntStats, lstatSync } from "node:fs";
import { lstat } from "node:fs/promises";
import { isSystemError } from "../core/errors.ts";

/** What a look at a name found: undefined if it vanished. */
export type Look = BigIntStats | LookError | undefined;

/** Why a name could not be looked at. */
export class LookError {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}

/**
 * From a warm cache a look takes about 4 µs and the thread pool would cost five times that; on a disk that has to
 * seek, looks in parallel win and the event loop must not wait. So: at once while it goes fast, else in parallel.
 */
const SYNCHRONOUS_BUDGET_MS = 5;
/** One byte per character; a path of other characters has to be given as bytes, which costs more. */
const IS_ASCII = /^[\0-\x7f]*$/;

/**
 * lstat of some names of a directory, in their order.
 * @param directory path that ends in "/", latin1
 * @param names latin1, few enough that as many looks may be in flight
 */
export async function lookAtNames(directory: string, names: readonly string[]): Promise<readonly Look[]> {
  const pathOf = IS_ASCII.test(directory) ? textOrBytes : bytesOf;
  const looks = lookAtOnce(names, (name) => pathOf(directory, name));
  if (looks.length === names.length) return looks;
  const rest = names.slice(looks.length).map((name) => lookLater(pathOf(directory, name)));
  return [...looks, ...(await Promise.all(rest))];
}

/** Looks at the first names: at fewer than all if the budget of time was used up. */
function lookAtOnce(names: readonly string[], pathOf: (name: string) => string | Buffer): Look[] {
  const looks: Look[] = [];
  const start = performance.now();
  for (const name of names) {
    if (looks.length % 16 === 15 && performance.now() - start > SYNCHRONOUS_BUDGET_MS) break;
    try {
      looks.push(lstatSync(pathOf(name), { bigint: true, throwIfNoEntry: false }));
    } catch (error) {
      looks.push(new LookError(error));
    }
  }
  return looks;
}

async function lookLater(path: string | Buffer): Promise<Look> {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    return isSystemError(error, "ENOENT") ? undefined : new LookError(error);
  }
}

function textOrBytes(directory: string, name: string): string | Buffer {
  return IS_ASCII.test(name) ? directory + name : bytesOf(directory, name);
}

function bytesOf(directory: string, name: string): Buffer {
  return Buffer.from(directory + name, "latin1");
}
