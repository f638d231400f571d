import { fstatSync, readSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { messageOf } from "../core/errors.ts";
import { DeltaError } from "../delta/errors.ts";
import { findMatches, type BasisFile } from "../delta/find-matches.ts";
import { KernelMatchSearch } from "../delta/kernel-match-search.ts";
import type { MatchedRun } from "../delta/match-search.ts";
import { SearchKernelCode, type SearchKernel } from "../delta/search-kernel.ts";
import { parseSignature } from "../delta/signature.ts";
import { readSearchKernel } from "../store/search-kernel-file.ts";

/** One target for one thread. */
export interface SearchTask {
  /** Encoded, as it came; parsed here. */
  readonly signature: Uint8Array;
  /** From the signed manifest. */
  readonly contentLength: number;
  /** Descriptors of the basis files, which threads share; the asking side closes them after the answer. */
  readonly bases: readonly number[];
  /** Another value than 0 ends the search at its next window. */
  readonly stop: Int32Array<SharedArrayBuffer>;
}

/** A basis that could not be read to its end; what was found in it until then counts. */
export interface UnreadableBasis {
  readonly basis: number;
  readonly reason: string;
}

export type SearchAnswer =
  | {
      readonly outcome: "searched";
      readonly runs: readonly MatchedRun[];
      readonly unreadable: readonly UnreadableBasis[];
    }
  | { readonly outcome: "bad-signature"; readonly code: DeltaError["code"]; readonly message: string }
  | { readonly outcome: "stopped" };

class Stopped extends Error {}

/** A kernel that grew beyond this for one large signature is given up after it. */
const KEPT_KERNEL_BYTES = 16 * 1024 * 1024;

const code = new SearchKernelCode(readSearchKernel());
let kernel: SearchKernel | undefined;

function search({ signature, contentLength, bases, stop }: SearchTask): SearchAnswer {
  const unreadable: UnreadableBasis[] = [];
  const parsed = parseSignature(signature, contentLength);
  kernel ??= code.instantiate();
  const files = bases.map((descriptor, basis) => openBasis(descriptor, (reason) => unreadable.push({ basis, reason })));
  const { runs } = findMatches(new KernelMatchSearch(parsed, kernel), files, {
    beforeWindow: () => {
      if (Atomics.load(stop, 0) !== 0) throw new Stopped();
    },
    onUnreadable: (basis, error) => unreadable.push({ basis, reason: messageOf(error) }),
  });
  return { outcome: "searched", runs, unreadable };
}

function openBasis(descriptor: number, onUnreadable: (reason: string) => void): BasisFile {
  return { length: lengthOf(descriptor, onUnreadable), read: (into, offset) => readFully(descriptor, into, offset) };
}

/** One that can't even tell its length has none; the others are searched. */
function lengthOf(descriptor: number, onUnreadable: (reason: string) => void): number {
  try {
    return fstatSync(descriptor).size;
  } catch (error) {
    onUnreadable(messageOf(error));
    return 0;
  }
}

function readFully(descriptor: number, into: Uint8Array, offset: number): number {
  let filled = 0;
  while (filled < into.length) {
    const got = readSync(descriptor, into, filled, into.length - filled, offset + filled);
    if (got === 0) break;
    filled += got;
  }
  return filled;
}

function answer(task: SearchTask): SearchAnswer {
  try {
    return search(task);
  } catch (error) {
    if (error instanceof Stopped) return { outcome: "stopped" };
    if (!(error instanceof DeltaError)) throw error;
    return { outcome: "bad-signature", code: error.code, message: error.message };
  } finally {
    if (kernel !== undefined && kernel.memory.buffer.byteLength > KEPT_KERNEL_BYTES) kernel = undefined;
  }
}

parentPort?.on("message", (task: SearchTask) => parentPort?.postMessage(answer(task)));
