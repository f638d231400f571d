import { percentEncodePath } from "../codec/percent-encoding.ts";
import type { AnalysisReport, KindCount, LineCounts, NameReport } from "./analysis-report.ts";
import { hashBytes, hashPath, type ByteHash } from "./byte-hash.ts";
import { ClockGate } from "./clock-gate.ts";
import { clientToolOf } from "./client-tool.ts";
import { FILE_KINDS, fileKindOf, type FileKind } from "./file-kind.ts";
import { FileCounts } from "./file-report.ts";
import { FrequentNames } from "./frequent-names.ts";
import { CustomerFiles } from "./group-report.ts";
import { HourCounts } from "./hour-report.ts";
import { LINE_USES, NUMBERS_PER_REQUEST, WORD, WORDS_PER_REQUEST, type LogBlock } from "./log-block.ts";
import { LOG_FORMATS, SYNC_STEPS } from "./log-line.ts";
import { NetworkCounts } from "./network-report.ts";
import { withoutServersEscapes } from "./servers-escapes.ts";
import { SyncTimes } from "./sync-time.ts";
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
  readonly #syncTimes = new SyncTimes();
  readonly #gate = new ClockGate();
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

  /** The next block of a log, read by {@link parseBlock}; nothing of it is kept. */
  take(block: LogBlock): void {
    this.#lines.malformed += block.malformed;
    this.#lines.notes += block.notes;
    this.#lines.tooLong += block.tooLong;
    const { requests, numbers } = block;
    for (let row = 0; row < requests; row++) {
      const timeSeconds = numbers[row * NUMBERS_PER_REQUEST]!;
      if (this.#gate.admits(timeSeconds)) this.#count(block, row, timeSeconds);
    }
  }

  /** The log ended; another may follow. */
  endLog(): void {
    this.#syncTimes.endLog();
    this.#gate.reset();
  }

  #count(block: LogBlock, row: number, timeSeconds: number): void {
    const { words } = block;
    const at = row * WORDS_PER_REQUEST;
    this.#countSync(words, at, timeSeconds);
    const use = LINE_USES[words[at + WORD.use]!]!;
    if (timeSeconds < this.#begin) this.#begin = timeSeconds;
    if (timeSeconds > this.#end) this.#end = timeSeconds;
    if (use === "note") return;
    const status = words[at + WORD.status]!;
    this.#formats[LOG_FORMATS[words[at + WORD.format]!]!]++;
    if (status > 0) this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
    if (use === "other") {
      this.#lines.otherRequests++;
      return;
    }
    this.#lines.downloads++;
    const request = this.#request;
    request.timeSeconds = timeSeconds;
    request.bytes = block.numbers[row * NUMBERS_PER_REQUEST + 1]!;
    request.client = words[at + WORD.client]!;
    request.network = words[at + WORD.network]!;
    request.fileFirst = words[at + WORD.fileFirst]!;
    request.fileSecond = words[at + WORD.fileSecond]!;
    this.#countDownload(block, at, request);
  }

  #countSync(words: Uint32Array, at: number, timeSeconds: number): void {
    const step = SYNC_STEPS[words[at + WORD.sync]!]!;
    if (step === "none") return;
    this.#syncTimes.add({ step, process: words[at + WORD.process]!, client: words[at + WORD.client]!, timeSeconds });
  }

  #countDownload(block: LogBlock, at: number, request: Request): void {
    this.#files.add(request, this.#begin, () => fileKindOf(pathText(block, at)));
    this.#kinds[request.kind].requests++;
    this.#kinds[request.kind].bytes += request.bytes;
    this.#networks.add(request);
    this.#hours.add(request);
    this.#customerFiles.add(request);
    this.#countTool(block, at);
    this.#popular.add(keyOf(request.fileFirst, request.fileSecond), request.bytes, () => pathText(block, at));
  }

  #countTool(block: LogBlock, at: number): void {
    const { words } = block;
    const agent = keyOf(words[at + WORD.agentFirst]!, words[at + WORD.agentSecond]!);
    let tool = this.#toolsByAgent.get(agent);
    if (tool === undefined) {
      const isRsync = LOG_FORMATS[words[at + WORD.format]!] === "rsyncd";
      const name = isRsync
        ? "rsync"
        : clientToolOf(textOf(block, words[at + WORD.agentFrom]!, words[at + WORD.agentTo]!));
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
    return keyOf(this.#hash.first, this.#hash.second);
  }

  /** Of all that was read; more may be read afterwards. */
  report(): AnalysisReport {
    const hasLines = this.#end >= this.#begin;
    const kinds = structuredClone(this.#kinds);
    return {
      lines: { ...this.#lines, clockJumps: this.#gate.jumps },
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
      syncTimes: this.#syncTimes.report([this.#begin, this.#end]),
      tree: null,
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

/** 53 of 64 bits. */
function keyOf(first: number, second: number): number {
  return first * 2 ** 21 + (second >>> 11);
}

/** Percent-encoded as a request was, one unit per byte; a path of rsyncd in the same form, below its module. */
function pathText(block: LogBlock, at: number): string {
  const { words } = block;
  const [moduleFrom, moduleTo] = [words[at + WORD.moduleFrom]!, words[at + WORD.moduleTo]!];
  const path = textOf(block, words[at + WORD.pathFrom]!, words[at + WORD.pathTo]!);
  return moduleTo > moduleFrom
    ? percentEncodePath(`/${textOf(block, moduleFrom, moduleTo)}/${path}`)
    : withoutServersEscapes(path);
}

function textOf({ bytes }: LogBlock, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString("latin1");
}

function reportNames(names: FrequentNames, most: number): NameReport {
  const top = names.sorted().slice(0, most);
  return {
    undercount: names.undercount,
    top: top.map(([, { name, count, bytes }]) => ({ name, requests: count, bytes })),
  };
}
