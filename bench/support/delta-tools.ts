import {
  chmodSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { blockLengthFor, type DeltaSize } from "../../src/delta/block-length.ts";
import { findMatches, type BasisFile } from "../../src/delta/find-matches.ts";
import type { MatchResult } from "../../src/delta/match-search.ts";
import { KernelMatchSearch } from "../../src/delta/kernel-match-search.ts";
import { SearchKernelCode } from "../../src/delta/search-kernel.ts";
import { SignatureBuilder } from "../../src/delta/signature-builder.ts";
import { parseSignature } from "../../src/delta/signature.ts";
import { loadStrongSum } from "../../src/delta/strong-sum.ts";
import { readSearchKernel } from "../../src/store/search-kernel-file.ts";
import type { DeltaPair } from "./delta-pairs.ts";
import { measureSuccess } from "./report.ts";
import { serveRanges } from "./range-server.ts";

/** What one tool moved and took for one pair. Undefined where the tool does not say. */
export interface DeltaRun {
  readonly signatureBytes: number | undefined;
  readonly literalBytes: number | undefined;
  /** Everything but signature and literals. */
  readonly framingBytes: number | undefined;
  readonly totalBytes: number;
  /** Of the step that searches. */
  readonly wallSeconds: number;
  readonly cpuSeconds: number | undefined;
}

export type DeltaTool = (pair: DeltaPair, scratch: string) => Promise<DeltaRun>;

const PIECE_LENGTH = 64 * 1024;
const REQUEST_LENGTH = 16 * 1024;
/** BEP 3: 17 bytes of request, 13 bytes before the answer's data. */
const BYTES_PER_REQUEST = 30;

const strongSum = await loadStrongSum();
const kernel = new SearchKernelCode(readSearchKernel()).instantiate();

/** Our signature, and the search as a mirror's thread does it, in this process; every match is compared with the target. */
export function prsync(deltaSize: DeltaSize): DeltaTool {
  return async ({ basis, target }) => {
    const encoded = signatureOf(target, deltaSize);
    const contentLength = statSync(target).size;
    using file = openBasis(basis);
    const cpuBefore = process.cpuUsage();
    const wallBefore = performance.now();
    const result = findMatches(new KernelMatchSearch(parseSignature(encoded, contentLength), kernel), [file]);
    const wallSeconds = (performance.now() - wallBefore) / 1000;
    const { user, system } = process.cpuUsage(cpuBefore);
    assertEqualBytes(file, target, result);
    const literalBytes = contentLength - result.covered.totalBytes;
    const framingBytes = BYTES_PER_REQUEST * requestCount(result, contentLength);
    return {
      signatureBytes: encoded.length,
      literalBytes,
      framingBytes,
      totalBytes: encoded.length + literalBytes + framingBytes,
      wallSeconds,
      cpuSeconds: (user + system) / 1e6,
    };
  };
}

const CHUNK_LENGTH = 1024 * 1024;

function signatureOf(path: string, deltaSize: DeltaSize): Uint8Array {
  using file = openBasis(path);
  const builder = new SignatureBuilder(file.length, strongSum, { blockLength: blockLengthFor(file.length, deltaSize) });
  const chunk = new Uint8Array(CHUNK_LENGTH);
  for (let offset = 0; offset < file.length; offset += CHUNK_LENGTH) {
    builder.update(chunk.subarray(0, file.read(chunk, offset)));
  }
  return builder.digest();
}

function openBasis(path: string): BasisFile & Disposable {
  const descriptor = openSync(path, "r");
  return {
    length: statSync(path).size,
    read: (into, offset) => readSync(descriptor, into, 0, into.length, offset),
    [Symbol.dispose]: () => closeSync(descriptor),
  };
}

function assertEqualBytes(basis: BasisFile, targetPath: string, { runs }: MatchResult): void {
  using target = openBasis(targetPath);
  const chunks = [Buffer.alloc(CHUNK_LENGTH), Buffer.alloc(CHUNK_LENGTH)] as const;
  for (const { targetOffset, basisOffset, length } of runs) {
    for (let done = 0; done < length; done += CHUNK_LENGTH) {
      const [ours, theirs] = chunks.map((chunk) => chunk.subarray(0, length - done)) as [Buffer, Buffer];
      basis.read(ours, basisOffset + done);
      target.read(theirs, targetOffset + done);
      if (!ours.equals(theirs)) throw new Error(`a match at ${targetOffset + done} of ${targetPath} is none`);
    }
  }
}

/** Missing ranges cut at pieces of 64 KiB and at 16 KiB, as the swarm asks for them. */
function requestCount({ covered }: MatchResult, length: number): number {
  let requests = 0;
  for (const { start, end } of covered.missingIn(0, length)) {
    for (let at = start; at < end;) {
      const stop = Math.min(end, at - (at % PIECE_LENGTH) + PIECE_LENGTH, at + REQUEST_LENGTH);
      requests++;
      at = stop;
    }
  }
  return requests;
}

/** rsync fetching from another rsync over a pipe; CPU is the sender's, which searches; wall the whole transfer's. */
export function rsync(...options: readonly string[]): DeltaTool {
  return async ({ basis, target }, scratch) => {
    const destination = join(scratch, "rsync-destination");
    const senderTimes = join(scratch, "rsync-sender-times");
    const shell = join(scratch, "rsync-shell");
    copyFileSync(basis, destination);
    // In place of ssh: drops the host's name, runs the sender here and notes its time.
    const script = `shift\nTIMEFORMAT='%3U %3S'\n{ time "$@" 2>&3; } 3>&2 2>"$PRSYNC_BENCH_TIMES"\n`;
    writeFileSync(shell, `#!/bin/bash\n${script}`);
    chmodSync(shell, 0o755);
    const run = await measureSuccess(
      "rsync",
      ["--ignore-times", "--no-whole-file", "--stats", ...options, "-e", shell, `pipe:${target}`, destination],
      { env: { PRSYNC_BENCH_TIMES: senderTimes } },
    );
    const [user, system] = readFileSync(senderTimes, "utf8").trim().split(" ").map(Number);
    const sent = statistic(run.stdout, "Total bytes sent");
    const received = statistic(run.stdout, "Total bytes received");
    const literalBytes = statistic(run.stdout, "Literal data");
    return {
      signatureBytes: sent,
      literalBytes,
      framingBytes: received - literalBytes,
      totalBytes: sent + received,
      wallSeconds: run.wallSeconds,
      cpuSeconds: user! + system!,
    };
  };
}

function statistic(output: string, name: string): number {
  const match = new RegExp(`^${name}: ([\\d,]+)`, "m").exec(output);
  if (match === null) throw new Error(`rsync did not print "${name}"`);
  return Number(match[1]!.replaceAll(",", ""));
}

/** rdiff with its defaults; time is that of `rdiff delta`. */
export async function rdiff({ basis, target }: DeltaPair, scratch: string): Promise<DeltaRun> {
  const signature = join(scratch, "rdiff-signature");
  const delta = join(scratch, "rdiff-delta");
  await measureSuccess("rdiff", ["--force", "signature", basis, signature]);
  const { wallSeconds, cpuSeconds } = await measureSuccess("rdiff", ["--force", "delta", signature, target, delta]);
  const signatureBytes = statSync(signature).size;
  const deltaBytes = statSync(delta).size;
  return {
    signatureBytes,
    literalBytes: undefined,
    framingBytes: undefined,
    totalBytes: signatureBytes + deltaBytes,
    wallSeconds,
    cpuSeconds,
  };
}

/** zsync with its defaults from an HTTP server in this process; bytes are the sockets', time is the whole client's. */
export async function zsync({ basis, target }: DeltaPair, scratch: string): Promise<DeltaRun> {
  // The client takes anything that looks like the target in its own directory as a basis: it gets an empty one.
  const [served, client] = ["zsync-served", "zsync-client"].map((name) => join(scratch, name)) as [string, string];
  for (const directory of [served, client]) {
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory);
  }
  copyFileSync(target, join(served, "target"));
  await measureSuccess("zsyncmake", ["-Z", "-o", "control", "-u", "target", "target"], { cwd: served });
  await using server = await serveRanges(served);
  const { wallSeconds, cpuSeconds } = await measureSuccess(
    "zsync",
    ["-s", "-i", basis, "-o", "output", `${server.url}/control`],
    { cwd: client, env: { http_proxy: undefined, HTTP_PROXY: undefined } },
  );
  const signatureBytes = statSync(join(served, "control")).size;
  return {
    signatureBytes,
    literalBytes: server.bodyBytes() - signatureBytes,
    framingBytes: server.socketBytes() - server.bodyBytes(),
    totalBytes: server.socketBytes(),
    wallSeconds,
    cpuSeconds,
  };
}
