/** Longer lines are no log lines: servers cut requests at 8 to 32 KiB (nginx large_client_header_buffers, Apache LimitRequestLine). */
export const MAX_LINE_BYTES: number = 64 * 1024;
/** Four begun lines fit, and a core's cache holds it. */
const BLOCK_BYTES: number = 256 * 1024;
/** "2026/11/22 05:35:26 [1]" and its end: the shortest note of rsyncd; requests are longer. */
const LEAST_LINE_BYTES = 24;
const MOST_REQUESTS: number = Math.ceil(BLOCK_BYTES / LEAST_LINE_BYTES);

/** Whole numbers of a request, 32 bits each, by their place in {@link LogBlock.words}. */
export const WORD = {
  client: 0,
  network: 1,
  fileFirst: 2,
  fileSecond: 3,
  /** Hash of the User-Agent. */
  agentFirst: 4,
  agentSecond: 5,
  /** Places in {@link LogBlock.bytes}. */
  moduleFrom: 6,
  moduleTo: 7,
  pathFrom: 8,
  pathTo: 9,
  agentFrom: 10,
  agentTo: 11,
  status: 12,
  /** An index of LOG_FORMATS. */
  format: 13,
  /** An index of LINE_USES. */
  use: 14,
  /** An index of SYNC_STEPS. */
  sync: 15,
  /** Number of rsyncd's process, 0 for all else. */
  process: 16,
} as const;
/** A request may be none of the downloads that the reports are about; a note tells of a mirror's session alone. */
export const LINE_USES = ["other", "download", "note"] as const;
export const WORDS_PER_REQUEST: number = Object.keys(WORD).length;
/** Numbers of a request beyond 32 bits: time in seconds, bytes. */
export const NUMBERS_PER_REQUEST = 2;

/** Counts of a block. */
const COUNT = { bytes: 0, requests: 1, notes: 2, malformed: 3, tooLong: 4 } as const;

/**
 * Whole lines of a log, and what was read in them, in arrays that threads may share: one thread cuts, another reads, the first
 * counts. About 1.2 MB, used again and again, so that a log of any length leaves no garbage.
 */
export class LogBlock {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly numbers: Float64Array;
  readonly #counts: Uint32Array;

  /** @param memory of {@link LogBlock.memory}, the same on both sides */
  constructor(memory: LogBlockMemory) {
    this.bytes = new Uint8Array(memory.bytes);
    this.words = new Uint32Array(memory.words);
    this.numbers = new Float64Array(memory.numbers);
    this.#counts = new Uint32Array(memory.counts);
  }

  /** What a block lies in; shared by all threads that get it. */
  static memory(): LogBlockMemory {
    return {
      bytes: new SharedArrayBuffer(BLOCK_BYTES),
      words: new SharedArrayBuffer(4 * WORDS_PER_REQUEST * MOST_REQUESTS),
      numbers: new SharedArrayBuffer(8 * NUMBERS_PER_REQUEST * MOST_REQUESTS),
      counts: new SharedArrayBuffer(4 * Object.keys(COUNT).length),
    };
  }

  /** Nothing was cut or read. */
  clear(): void {
    this.#counts.fill(0);
  }

  /** Bytes of whole lines at the beginning of `bytes`. */
  get lengthBytes(): number {
    return this.#counts[COUNT.bytes]!;
  }

  set lengthBytes(length: number) {
    this.#counts[COUNT.bytes] = length;
  }

  get requests(): number {
    return this.#counts[COUNT.requests]!;
  }

  set requests(count: number) {
    this.#counts[COUNT.requests] = count;
  }

  get notes(): number {
    return this.#counts[COUNT.notes]!;
  }

  set notes(count: number) {
    this.#counts[COUNT.notes] = count;
  }

  get malformed(): number {
    return this.#counts[COUNT.malformed]!;
  }

  set malformed(count: number) {
    this.#counts[COUNT.malformed] = count;
  }

  /** Lines above {@link MAX_LINE_BYTES}, skipped. */
  get tooLong(): number {
    return this.#counts[COUNT.tooLong]!;
  }

  set tooLong(count: number) {
    this.#counts[COUNT.tooLong] = count;
  }
}

export interface LogBlockMemory {
  readonly bytes: SharedArrayBuffer;
  readonly words: SharedArrayBuffer;
  readonly numbers: SharedArrayBuffer;
  readonly counts: SharedArrayBuffer;
}
