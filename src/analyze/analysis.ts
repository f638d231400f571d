import type { AnalysisReport, KindCount, LineCounts, NameReport } from "./analysis-report.ts";
import { hashBytes, hashPath, type ByteHash } from "./byte-hash.ts";
import { ClockGate } from "./clock-gate.ts";
import { hashNetwork } from "./client-network.ts";
import { clientToolOf } from "./client-tool.ts";
import { FILE_KINDS, fileKindOf, type FileKind } from "./file-kind.ts";
import { FileCounts } from "./file-report.ts";
import { FrequentNames } from "./frequent-names.ts";
import { CustomerFiles } from "./group-report.ts";
import { HourCounts } from "./hour-report.ts";
import { LineSplitter } from "./line-splitter.ts";
import { emptyLogLine, type LogLine } from "./log-line.ts";
import { NetworkCounts } from "./network-report.ts";
import { parseLogLine } from "./parse-log-line.ts";
import { fileMark, type Request } from "./request.ts";

/** The paper shows so many. */
const TOP_TOOLS = 15;
const TOP_FILES = 20;
const KEPT_TOOLS = 1024;
const KEPT_FILES = 4096;
const MAX_KNOWN_AGENTS = 65_536;

/** Reads logs and counts, in memory that does not grow beyond its tables' caps. */
export class Analysis {
  readonly #lines: LineCounts = {
    downloads: 0,
    otherRequests: 0,
    notes: 0,
    malformed: 0,
    tooLong: 0,
    clockJumps: 0,
  };
  readonly #formats = { combined: 0, common: 0, rsyncd: 0 };
  readonly #statuses = new Map<number, number>();
  readonly #kinds = Object.fromEntries(FILE_KINDS.map((kind) => [kind, { requests: 0, bytes: 0 }])) as Record<
    FileKind,
    KindCount
  >;
  readonly #files = new FileCounts();
  readonly #networks = new NetworkCounts();
  readonly #hours = new HourCounts();
  readonly #customerFiles = new CustomerFiles();
  readonly #tools = new FrequentNames(KEPT_TOOLS);
  readonly #popular = new FrequentNames(KEPT_FILES);
  readonly #toolsByAgent = new Map<number, { readonly key: number; readonly name: string }>();
  readonly #splitter: LineSplitter;
  readonly #gate = new ClockGate();
  readonly #line = emptyLogLine();
  readonly #hash: ByteHash = { first: 0, second: 0 };
  readonly #request: Request = {
    timeSeconds: 0,
    fileFirst: 0,
    fileSecond: 0,
    kind: "other",
    client: 0,
    network: 0,
    bytes: 0,
  };
  #begin = Infinity;
  #end = -Infinity;

  constructor() {
    this.#splitter = new LineSplitter((bytes, from, to) => this.#take(bytes, from, to));
  }

  /** A part of a log, cut anywhere. */
  push(chunk: Uint8Array): void {
    this.#splitter.push(chunk);
  }

  /** The log ended; another may follow. */
  endLog(): void {
    this.#splitter.end();
    this.#gate.reset();
  }

  #take(bytes: Uint8Array, from: number, to: number): void {
    const line = this.#line;
    const outcome = parseLogLine(bytes, [from, to], line);
    if (outcome === "malformed") this.#lines.malformed++;
    else if (outcome === "note") this.#lines.notes++;
    else if (this.#gate.admits(line.timeSeconds)) this.#count(bytes, line);
  }

  #count(bytes: Uint8Array, line: LogLine): void {
    this.#formats[line.format]++;
    if (line.status > 0) this.#statuses.set(line.status, (this.#statuses.get(line.status) ?? 0) + 1);
    if (line.timeSeconds < this.#begin) this.#begin = line.timeSeconds;
    if (line.timeSeconds > this.#end) this.#end = line.timeSeconds;
    if (!isDownload(line) || isOwn(bytes, line)) {
      this.#lines.otherRequests++;
      return;
    }
    this.#lines.downloads++;
    this.#fill(bytes, line);
    const request = this.#request;
    this.#kinds[request.kind].requests++;
    this.#kinds[request.kind].bytes += request.bytes;
    this.#files.add(request, this.#begin);
    this.#networks.add(request);
    this.#hours.add(request);
    this.#customerFiles.add(request);
    this.#countTool(bytes, line);
    this.#countPopular(bytes, line);
  }

  #fill(bytes: Uint8Array, line: LogLine): void {
    const client = [line.clientFrom, line.clientTo] as const;
    const [request, hash] = [this.#request, this.#hash];
    request.timeSeconds = line.timeSeconds;
    request.bytes = line.status >= 300 ? 0 : line.bytes;
    hashBytes(bytes, client, hash);
    request.client = hash.first;
    request.network = hashNetwork(bytes, client);
    hashPath(bytes, [line.pathFrom, line.pathTo], { directory: [line.moduleFrom, line.moduleTo], hash });
    request.fileFirst = hash.first;
    request.fileSecond = hash.second;
    request.kind = this.#files.knownKind(hash.first, hash.second) ?? fileKindOf(pathText(bytes, line));
  }

  #countTool(bytes: Uint8Array, line: LogLine): void {
    if (line.format === "rsyncd") {
      this.#tools.add(this.#toolKey("rsync"), line.bytes, () => "rsync");
      return;
    }
    hashBytes(bytes, [line.agentFrom, line.agentTo], this.#hash);
    const agent = keyOf(this.#hash);
    let tool = this.#toolsByAgent.get(agent);
    if (tool === undefined) {
      const name = clientToolOf(textOf(bytes, line.agentFrom, line.agentTo));
      tool = { key: this.#toolKey(name), name };
      if (this.#toolsByAgent.size >= MAX_KNOWN_AGENTS) this.#toolsByAgent.clear();
      this.#toolsByAgent.set(agent, tool);
    }
    const { key, name } = tool;
    this.#tools.add(key, this.#request.bytes, () => name);
  }

  #toolKey(name: string): number {
    const bytes = Buffer.from(name, "latin1");
    hashBytes(bytes, [0, bytes.length], this.#hash);
    return keyOf(this.#hash);
  }

  #countPopular(bytes: Uint8Array, line: LogLine): void {
    const { fileFirst, fileSecond } = this.#request;
    this.#popular.add(keyOf({ first: fileFirst, second: fileSecond }), this.#request.bytes, () =>
      pathText(bytes, line),
    );
  }

  /** Of all that was read; more may be read afterwards. */
  report(): AnalysisReport {
    const hasLines = this.#end >= this.#begin;
    const kinds = structuredClone(this.#kinds);
    return {
      lines: { ...this.#lines, tooLong: this.#splitter.tooLong, clockJumps: this.#gate.jumps },
      formats: { ...this.#formats },
      statuses: Object.fromEntries([...this.#statuses].sort(([a], [b]) => a - b)),
      begin: hasLines ? this.#begin : null,
      end: hasLines ? this.#end : null,
      bytes: FILE_KINDS.reduce((sum, kind) => sum + kinds[kind].bytes, 0),
      kinds,
      sizes: this.#files.sizes(),
      tools: reportNames(this.#tools, TOP_TOOLS),
      flashCrowds: this.#files.flash([this.#begin, this.#end]),
      popularity: { ...this.#files.popularity(), ...this.#topFiles() },
      hours: this.#hours.hours(),
      bursts: this.#networks.bursts(),
      caches: this.#networks.caches(),
      alwaysOnline: this.#hours.alwaysOnline(),
      groups: this.#customerFiles.groups(this.#candidates()),
      fileScale: this.#files.scale,
    };
  }

  /** Counts of the files' own table, which are exact, where that has the file. */
  #topFiles(): NameReport {
    const exact = reportNames(this.#popular, KEPT_FILES).top.map((file) => {
      const { first, second } = this.#hashOfName(file.name);
      return { ...file, ...this.#files.exactly(first, second) };
    });
    const top = exact.sort((a, b) => b.requests - a.requests).slice(0, TOP_FILES);
    return { undercount: this.#files.scale === 1 ? 0 : this.#popular.undercount, top };
  }

  #candidates(): { readonly name: string; readonly mark: number }[] {
    return this.#popular.sorted().map(([, { name }]) => {
      const { first, second } = this.#hashOfName(name);
      return { name, mark: fileMark(first, second) };
    });
  }

  #hashOfName(name: string): ByteHash {
    const bytes = Buffer.from(name, "latin1");
    hashPath(bytes, [0, bytes.length], { directory: [0, 0], hash: this.#hash });
    return this.#hash;
  }
}

function isDownload({ isRead, status, pathFrom, pathTo }: LogLine): boolean {
  if (!isRead || pathTo <= pathFrom) return false;
  return status === 0 || status === 200 || status === 206 || status === 302 || status === 307;
}

const OWN_PREFIX = Buffer.from("/.prsync/");

/** What mirrors ask central for. */
function isOwn(bytes: Uint8Array, { pathFrom, pathTo }: LogLine): boolean {
  if (pathTo - pathFrom < OWN_PREFIX.length) return false;
  for (let at = 0; at < OWN_PREFIX.length; at++) if (bytes[pathFrom + at] !== OWN_PREFIX[at]) return false;
  return true;
}

/** 53 of 64 bits. */
function keyOf({ first, second }: ByteHash): number {
  return first * 2 ** 21 + (second >>> 11);
}

/** As it stands in the log, one unit per byte. */
function pathText(bytes: Uint8Array, { moduleFrom, moduleTo, pathFrom, pathTo }: LogLine): string {
  const path = textOf(bytes, pathFrom, pathTo);
  return moduleTo > moduleFrom ? `/${textOf(bytes, moduleFrom, moduleTo)}/${path}` : path;
}

function textOf(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString("latin1");
}

function reportNames(names: FrequentNames, most: number): NameReport {
  const top = names.sorted().slice(0, most);
  return {
    undercount: names.undercount,
    top: top.map(([, { name, count, bytes }]) => ({ name, requests: count, bytes })),
  };
}
