import type { WriteStream } from "node:tty";
import { formatByteSize } from "../core/byte-size.ts";
import type { SyncProgress } from "../edge/sync-progress.ts";
import type { PublishProgress } from "../publisher/publish-options.ts";

const MIN_INTERVAL_MS = 100;

/** One line on a terminal that is drawn over and over; without a terminal it draws nothing. */
class ProgressLine {
  readonly #stream: Pick<WriteStream, "write"> | undefined;
  #lastMs = -Infinity;
  #isDrawn = false;

  constructor(stream: Pick<WriteStream, "write"> | undefined) {
    this.#stream = stream;
  }

  draw(text: string, isUrgent = false): void {
    const nowMs = performance.now();
    if (this.#stream === undefined || (!isUrgent && nowMs - this.#lastMs < MIN_INTERVAL_MS)) return;
    this.#lastMs = nowMs;
    this.#isDrawn = true;
    this.#stream.write(`\r\x1b[K${text}`);
  }

  clear(): void {
    if (this.#isDrawn) this.#stream?.write("\r\x1b[K");
    this.#isDrawn = false;
  }
}

/** Draws how far a publish is. @param stream a terminal, or undefined for silence */
export function createPublishProgress(
  stream: Pick<WriteStream, "write"> | undefined,
): PublishProgress & { clear(): void } {
  const line = new ProgressLine(stream);
  return {
    onPhase: (name) => line.draw(`${name} …`, true),
    onScan: (count) => line.draw(`scan … ${count} paths`),
    onHash: (done, total, files) =>
      line.draw(`hash … ${formatByteSize(done)} of ${formatByteSize(total)}, ${files} files`),
    clear: () => line.clear(),
  };
}

/** Draws how far a sync is, with rate and time left. @param stream a terminal, or undefined for silence */
export function createSyncProgress(stream: Pick<WriteStream, "write"> | undefined): SyncProgress & { clear(): void } {
  const line = new ProgressLine(stream);
  let startMs = performance.now();
  return {
    onStage: (stage) => {
      startMs = performance.now();
      line.draw(`${stage} …`, true);
    },
    onPlan: (plan) => line.draw(`plan: ${plan.contents.length} contents to obtain`, true),
    onBytes: (received, wanted) => {
      const seconds = Math.max(0.001, (performance.now() - startMs) / 1000);
      const rate = received / seconds;
      const left = rate > 0 ? Math.ceil((wanted - received) / rate) : undefined;
      const ends = left === undefined ? "" : `, ${left} s left`;
      line.draw(
        `download … ${formatByteSize(received)} of ${formatByteSize(wanted)}, ${formatByteSize(rate)}/s${ends}`,
      );
    },
    clear: () => line.clear(),
  };
}
