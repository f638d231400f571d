import { percentDecodeBytes } from "../codec/percent-encoding.ts";
import { ClockGate } from "./clock-gate.ts";
import { fileKindOf, type FileKind } from "./file-kind.ts";
import { eachLine } from "./each-line.ts";
import { LogBlock } from "./log-block.ts";
import { type BlockReader, LogBlocks } from "./log-blocks.ts";
import { emptyLogLine, type LogLine } from "./log-line.ts";
import { parseLogLine } from "./parse-log-line.ts";
import { withoutServersEscapes } from "./servers-escapes.ts";

/** A download as a log tells it. */
export interface LoggedRequest {
  readonly timeSeconds: number;
  /** As it stands there, percent-decoded where that is possible. */
  readonly path: string;
  readonly kind: FileKind;
  /** Address or name. */
  readonly client: string;
  /** Of the answer's body; 0 for a redirect. */
  readonly bytes: number;
  /** The answer was the whole file, so that `bytes` is its size. */
  readonly isWhole: boolean;
}

const OWN_PREFIX = "/.prsync/";
/** Whole, in part, and sent elsewhere: whoever is redirected downloads, too. rsyncd tells no status. */
const DOWNLOAD_STATUSES: ReadonlySet<number> = new Set([0, 200, 206, 302, 307]);

/** Downloads out of the bytes of logs, in their order: what `prsync simulate` plays. Lines that can't be used are counted. */
export class LogRequests implements BlockReader {
  readonly #onRequest: (request: LoggedRequest) => void;
  readonly #blocks = new LogBlocks(this);
  /** One is filled while the other is read. */
  readonly #pair = [new LogBlock(LogBlock.memory()), new LogBlock(LogBlock.memory())] as const;
  #turn = 0;
  readonly #gate = new ClockGate();
  readonly #line = emptyLogLine();
  skipped = 0;

  constructor(onRequest: (request: LoggedRequest) => void) {
    this.#onRequest = onRequest;
  }

  /** A part of a log, cut anywhere. */
  async push(chunk: Uint8Array): Promise<void> {
    await this.#blocks.push(chunk);
  }

  /** The log ended; another may follow. @param isCut before its end, it is damaged */
  endLog(isCut = false): void {
    this.#blocks.endLog(isCut);
    this.#gate.reset();
  }

  next(): LogBlock {
    const block = this.#pair[this.#turn++ % 2]!;
    block.clear();
    return block;
  }

  read({ bytes, lengthBytes, tooLong }: LogBlock): void {
    const moreTooLong = eachLine(bytes, lengthBytes, (from, to) => this.#take(bytes, from, to));
    this.skipped += tooLong + moreTooLong;
  }

  #take(bytes: Uint8Array, from: number, to: number): void {
    const line = this.#line;
    const outcome = parseLogLine(bytes, [from, to], line);
    if (outcome === "malformed") this.skipped++;
    if (outcome !== "request" || !this.#gate.admits(line.timeSeconds)) return;
    const path = pathOf(bytes, line);
    if (!line.isRead || !DOWNLOAD_STATUSES.has(line.status) || path === "" || path.startsWith(OWN_PREFIX)) return;
    this.#onRequest({
      timeSeconds: line.timeSeconds,
      path,
      kind: fileKindOf(path),
      client: latin1(bytes, line.clientFrom, line.clientTo),
      bytes: line.status >= 300 ? 0 : line.bytes,
      isWhole: line.status === 200 || line.status === 0,
    });
  }
}

function pathOf(bytes: Uint8Array, line: LogLine): string {
  const text = latin1(bytes, line.pathFrom, line.pathTo);
  // What rsyncd writes is not percent-encoded.
  if (line.moduleTo > line.moduleFrom) return `/${latin1(bytes, line.moduleFrom, line.moduleTo)}/${text}`;
  const encoded = withoutServersEscapes(text);
  return percentDecodeBytes(encoded) ?? encoded;
}

function latin1(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString("latin1");
}
