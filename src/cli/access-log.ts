import { closeSync, constants, openSync } from "node:fs";
import { open } from "node:fs/promises";
import type { CancelTimer, Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import { accessLine, accessStamp, type AnsweredRequest } from "../report/access-line.ts";
import { type ParsedArguments, UsageError } from "./arguments.ts";
import type { LineLogger } from "./line-logger.ts";
import type { OptionSpec } from "./option-spec.ts";

export const ACCESS_LOG_OPTION: OptionSpec = {
  name: "access-log",
  kind: "text",
  placeholder: "FILE",
  isPath: true,
  help: "append a line per HTTP request to FILE, in the combined format of Apache and nginx",
};

/** A line may be so much later in the file than its request was answered. */
const BATCH_MS = 500;
/** Some minutes of 5,000 requests a second fit before lines are lost to a disk that stands still. */
const MAX_WAITING_BYTES = 64 * 2 ** 20;
/** A disk that stands still must not keep the program from ending. */
const LAST_WRITE_MS = 2_000;
/** Without waiting: a pipe that nobody reads would hold a thread for ever. */
const APPENDING = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;
/** Addresses of customers are not everybody's. */
const MODE = 0o640;

export interface AccessLogPorts {
  readonly clock: Clock;
  readonly log: Pick<LineLogger, "warn">;
}

/**
 * `--access-log`: lines are gathered and appended together, in the background; the file is opened for each batch, so that a
 * rotated one is followed without a signal. What can't be written is lost and told once: no request waits for its line.
 */
export class AccessLog implements AsyncDisposable {
  readonly #path: string;
  readonly #ports: AccessLogPorts;
  #waiting: string[] = [];
  #waitingBytes = 0;
  #lost = 0;
  #isFailing = false;
  #second = -1;
  #stamp = "";
  #cancelTimer: CancelTimer | undefined;
  #writing: Promise<void> | undefined;

  /** @throws UsageError if the file can't be written */
  constructor(path: string, ports: AccessLogPorts) {
    this.#path = path;
    this.#ports = ports;
    try {
      closeSync(openSync(path, APPENDING, MODE));
    } catch (error) {
      throw new UsageError([`--access-log: ${messageOf(error)}`]);
    }
  }

  /** Takes a line; returns at once. */
  readonly note = (answered: AnsweredRequest): void => {
    const line = `${accessLine(answered, this.#stampNow())}\n`;
    if (this.#waitingBytes + line.length > MAX_WAITING_BYTES) {
      this.#lost++;
      return;
    }
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
    this.#schedule();
  };

  /** Writes what is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    const last = (this.#writing ?? Promise.resolve()).then(() => this.#writeBatch());
    const waited = Promise.withResolvers<void>();
    const cancel = this.#ports.clock.schedule(LAST_WRITE_MS, waited.resolve);
    await Promise.race([last, waited.promise]);
    cancel();
    this.#cancelTimer?.();
  }

  #stampNow(): string {
    const wallMs = this.#ports.clock.wallMs();
    const second = Math.floor(wallMs / 1_000);
    if (second !== this.#second) {
      this.#second = second;
      this.#stamp = accessStamp(wallMs);
    }
    return this.#stamp;
  }

  #schedule(): void {
    if (this.#cancelTimer !== undefined || this.#writing !== undefined) return;
    this.#cancelTimer = this.#ports.clock.schedule(BATCH_MS, () => {
      this.#cancelTimer = undefined;
      this.#writing = this.#writeBatch().finally(() => {
        this.#writing = undefined;
        if (this.#waiting.length > 0) this.#schedule();
      });
    });
  }

  async #writeBatch(): Promise<void> {
    const lines = this.#waiting;
    if (lines.length === 0) return;
    this.#waiting = [];
    this.#waitingBytes = 0;
    try {
      await using file = await open(this.#path, APPENDING, MODE);
      await file.appendFile(lines.join(""), "latin1");
      this.#isFailing = false;
    } catch (error) {
      this.#lost += lines.length;
      this.#tellFailure(error);
    }
    if (this.#lost === 0 || this.#isFailing) return;
    this.#ports.log.warn({ lines: this.#lost }, "lines of the access log were lost");
    this.#lost = 0;
  }

  #tellFailure(error: unknown): void {
    if (!this.#isFailing) this.#ports.log.warn({ reason: messageOf(error) }, "the access log can't be written");
    this.#isFailing = true;
  }
}

/** Undefined without the option. @throws UsageError */
export function openAccessLog(args: ParsedArguments, ports: AccessLogPorts): AccessLog | undefined {
  const path = args.text("access-log");
  return path === undefined ? undefined : new AccessLog(path, ports);
}
