import { createHash } from "node:crypto";
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
  readonly cpuSeconds: number;
}

export type DeltaTool = (pair: DeltaPair, scratch: string) => Promise<DeltaRun>;

const PIECE_LENGTH = 64 * 1024;
const REQUEST_LENGTH = 16 * 1024;
/** BEP 3: 17 bytes of request, 13 bytes before the answer's data. */
const BYTES_PER_REQUEST = 30;

const strongSum = await loadStrongSum();
const kernel = new SearchKernelCode(readSearchKernel()).instantiate();

/** Our signature and search in this process, reading the basis from disk; the result is rebuilt and compared. */
export function prsync(deltaSize: DeltaSize): DeltaTool {
  return async ({ basis, target }) => {
    const content = readFileSync(target);
    const builder = new SignatureBuilder(content.length, strongSum, {
      blockLength: blockLengthFor(content.length, deltaSize),
    });
    builder.update(content);
    const encoded = builder.digest();
    const file = openBasis(basis);
    const cpuBefore = process.cpuUsage();
    const wallBefore = performance.now();
    const result = findMatches(new KernelMatchSearch(parseSignature(encoded, content.length), kernel), [file]);
    const wallSeconds = (performance.now() - wallBefore) / 1000;
    const { user, system } = process.cpuUsage(cpuBefore);
    file.close();
    assertRebuilds(content, basis, result);
    const literalBytes = content.length - result.covered.totalBytes;
    const framingBytes = BYTES_PER_REQUEST * requestCount(result, content.length);
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

function openBasis(path: string): BasisFile & { close(): void } {
  const descriptor = openSync(path, "r");
  return {
    length: statSync(path).size,
    read: (into, offset) => readSync(descriptor, into, 0, into.length, offset),
    close: () => closeSync(descriptor),
  };
}

function assertRebuilds(content: Buffer, basisPath: string, { runs, covered }: MatchResult): void {
  const basis = readFileSync(basisPath);
  const built = Buffer.alloc(content.length);
  for (const run of runs) basis.copy(built, run.targetOffset, run.basisOffset, run.basisOffset + run.length);
  for (const { start, end } of covered.missingIn(0, content.length)) content.copy(built, start, start, end);
  const digests = [content, built].map((bytes) => createHash("sha256").update(bytes).digest("hex"));
  if (digests[0] !== digests[1]) throw new Error(`the matches in ${basisPath} do not rebuild the target`);
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
