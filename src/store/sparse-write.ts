import * as fs from "node:fs";
import { promisify } from "node:util";

/** Of nearly all file systems: what lies between two such borders takes room if any of it was written. */
const BLOCK_BYTES = 4096;
const ZEROS: Buffer = Buffer.alloc(BLOCK_BYTES);

const read = promisify(fs.read);
const write = promisify(fs.write);

/** Neighbouring blocks that are all zeros, or none of which is. */
interface Run {
  /** Offset in the bytes given. */
  readonly start: number;
  readonly end: number;
  readonly isZeros: boolean;
}

/** @param offset of the bytes in their file, whose blocks count */
function* runsOf(bytes: Uint8Array, offset: number): Generator<Run> {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  let [start, wasZeros] = [0, false];
  for (let at = 0, end: number; at < view.length; at = end) {
    end = Math.min(view.length, at + BLOCK_BYTES - ((offset + at) % BLOCK_BYTES));
    const isZeros = view.compare(ZEROS, 0, end - at, at, end) === 0;
    if (at > start && isZeros !== wasZeros) {
      yield { start, end: at, isZeros: wasZeros };
      start = at;
    }
    wasZeros = isZeros;
  }
  if (view.length > 0) yield { start, end: view.length, isZeros: wasZeros };
}

/**
 * Writes so that blocks of zeros stay holes (rsync --sparse): they are not written where the file has zeros, or a hole, already. The file
 * must have its full length: what is left out at its end does not make it longer. Synchronous.
 * @throws system errors
 */
export function writeSparseSync(descriptor: number, bytes: Uint8Array, offset: number): void {
  for (const { start, end, isZeros } of runsOf(bytes, offset)) {
    const run = bytes.subarray(start, end);
    if (isZeros && holds(descriptor, run, offset + start)) continue;
    for (let done = 0; done < run.length;) {
      done += fs.writeSync(descriptor, run, done, run.length - done, offset + start + done);
    }
  }
}

/** As {@link writeSparseSync}, off the event loop. @throws system errors */
export async function writeSparse(descriptor: number, bytes: Uint8Array, offset: number): Promise<void> {
  for (const { start, end, isZeros } of runsOf(bytes, offset)) {
    const run = bytes.subarray(start, end);
    if (isZeros) {
      const there = Buffer.allocUnsafe(run.length);
      const { bytesRead } = await read(descriptor, there, 0, run.length, offset + start);
      if (bytesRead === run.length && there.equals(run)) continue;
    }
    for (let done = 0; done < run.length;) {
      done += (await write(descriptor, run, done, run.length - done, offset + start + done)).bytesWritten;
    }
  }
}

/** An earlier run, or a basis that looked right, may have left other bytes there. A hole reads as zeros, quickly. */
function holds(descriptor: number, run: Uint8Array, offset: number): boolean {
  const there = Buffer.allocUnsafe(run.length);
  return fs.readSync(descriptor, there, 0, run.length, offset) === run.length && there.equals(run);
}
