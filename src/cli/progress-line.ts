import type { WriteStream } from "node:tty";
import { formatByteSize } from "../core/byte-size.ts";
import type { SyncProgress } from "../edge/sync-progress.ts";
import type { PublishProgress } from "../publisher/publish-options.ts";
import { describeProgress } from "../report/progress-bar.ts";
import { TransferRate } from "../report/transfer-rate.ts";

const MIN_INTERVAL_MS = 100;

/** A terminal. */
export type ProgressStream = Pick<WriteStream, "columns"> & { write(text: string): unknown };

/** One line on a terminal that is drawn over and over; without a terminal it draws nothing. */
class ProgressLine {
  readonly #stream: ProgressStream | undefined;
  readonly #nowMs: () => number;
  #lastMs = -Infinity;
  #isDrawn = false;

  constructor(stream: ProgressStream | undefined, nowMs: () => number) {
    this.#stream = stream;
    this.#nowMs = nowMs;
  }

  /** @param describe is asked only if there is something to draw: who tells does so once per file or piece */
  draw(describe: () => string, isUrgent = false): void {
    if (this.#stream === undefined) return;
    const nowMs = this.#nowMs();
    if (!isUrgent && nowMs - this.#lastMs < MIN_INTERVAL_MS) return;
    this.#lastMs = nowMs;
    this.#isDrawn = true;
    this.#stream.write(`\r\x1b[K${describe()}`);
  }

  clear(): void {
    if (this.#isDrawn) this.#stream?.write("\r\x1b[K");
    this.#isDrawn = false;
  }
}

/** Draws how far a publish is. @param stream a terminal, or undefined for silence */
export function createPublishProgress(stream: ProgressStream | undefined): PublishProgress & { clear(): void } {
  const line = new ProgressLine(stream, () => performance.now());
  return {
    onPhase: (name) => line.draw(() => `${name} …`, true),
    onScan: (count) => line.draw(() => `scan … ${count} paths`),
    onHash: (done, total, files) =>
      line.draw(() => `hash … ${formatByteSize(done)} of ${formatByteSize(total)}, ${files} files`),
    clear: () => line.clear(),
  };
}

/**
 * Draws how far a sync is: a bar of all that comes from elsewhere, with rate and time left.
 * @param stream a terminal, or undefined for silence
 */
export function createSyncProgress(
  stream: ProgressStream | undefined,
  nowMs: () => number = () => performance.now(),
): SyncProgress & { clear(): void } {
  const line = new ProgressLine(stream, nowMs);
  let rate = new TransferRate();
  return {
    onStage: (stage) => {
      rate = new TransferRate();
      line.draw(() => `${stage} …`, true);
    },
    onPlan: (plan) => line.draw(() => `plan: ${plan.contents.length} contents to obtain`, true),
    onBytes: (doneBytes, totalBytes) => {
      if (stream === undefined) return;
      const ms = nowMs();
      rate.note(ms, doneBytes);
      const describe = (): string => {
        const bytesPerSecond = rate.bytesPerSecond(ms, doneBytes);
        return describeProgress("download", { doneBytes, totalBytes, bytesPerSecond }, stream.columns);
      };
      line.draw(describe, doneBytes >= totalBytes);
    },
    clear: () => line.clear(),
  };
}
