import watcher from "@parcel/watcher";
import type { CancelTimer, Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import { NetError } from "./errors.ts";

export interface TreeWatcherOptions {
  /** "Quiet" is told after this long without a change. */
  readonly quietMs: number;
  /** At the latest so long after the first change, however busy the tree is. */
  readonly latestMs: number;
}

export const DEFAULT_TREE_WATCHER_OPTIONS: TreeWatcherOptions = { quietMs: 30_000, latestMs: 15 * 60_000 };

/**
 * Turns a stream of changes into calls of `onQuiet`. What changed is not kept: publish walks the tree anyway, so a
 * change that the watcher missed (in a directory made in the same moment) is found as well.
 */
export class QuietDetector implements Disposable {
  readonly #options: TreeWatcherOptions;
  readonly #clock: Clock;
  readonly #onQuiet: () => void;
  #firstChangeMs: number | undefined;
  #cancel: CancelTimer | undefined;

  constructor(options: TreeWatcherOptions, clock: Clock, onQuiet: () => void) {
    this.#options = options;
    this.#clock = clock;
    this.#onQuiet = onQuiet;
  }

  noteChange(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#firstChangeMs ??= nowMs;
    const leftMs = this.#firstChangeMs + this.#options.latestMs - nowMs;
    this.#cancel?.();
    this.#cancel = this.#clock.schedule(Math.max(0, Math.min(this.#options.quietMs, leftMs)), () => {
      this.#firstChangeMs = undefined;
      this.#cancel = undefined;
      this.#onQuiet();
    });
  }

  [Symbol.dispose](): void {
    this.#cancel?.();
  }
}

export interface TreeWatcherPorts {
  readonly clock: Clock;
  /** The tree changed and is quiet again. */
  onQuiet(): void;
  /** Changes may have been missed (queue overflow, limit of watches); the watcher goes on. */
  onError(error: Error): void;
}

/**
 * Watches a directory with all below it, `.prsync` at the top apart.
 *
 * @throws NetError `watch-failed`, on Linux mostly for want of inotify watches
 */
export async function watchTree(
  directory: string,
  ports: TreeWatcherPorts,
  options: TreeWatcherOptions = DEFAULT_TREE_WATCHER_OPTIONS,
): Promise<AsyncDisposable> {
  const detector = new QuietDetector(options, ports.clock, () => ports.onQuiet());
  const onEvents = (error: Error | null, events: readonly unknown[]): void => {
    if (error !== null) ports.onError(error);
    // After an error something was missed: count it as a change.
    if (error !== null || events.length > 0) detector.noteChange();
  };
  try {
    const subscription = await watcher.subscribe(directory, onEvents, { ignore: [`${directory}/.prsync`] });
    return {
      [Symbol.asyncDispose]: async () => {
        detector[Symbol.dispose]();
        await subscription.unsubscribe();
      },
    };
  } catch (error) {
    const advice = "fs.inotify.max_user_watches may be too low";
    throw new NetError("watch-failed", `directory "${directory}" can't be watched (${advice}): ${messageOf(error)}`, {
      cause: error,
    });
  }
}
