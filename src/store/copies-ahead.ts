import { EMPTY_CONTENT, type ContentId } from "../core/content-id.ts";
import type { OrderedStep } from "./activation-order.ts";
import { fatalDiskError } from "./errors.ts";
import type { StagingArea } from "./staging.ts";

/** Copies that one flush makes durable, and the bytes from which on it is time for one. */
const MAX_COPIES = 1_024;
const MAX_BYTES: number = 64 * 1024 * 1024;

/** True if a step places a copy, since the part is needed again. An empty file is made anew each time. */
export function isCopied(step: Extract<OrderedStep, { readonly action: "place" }>): boolean {
  return step.keepPart && step.entry.content !== EMPTY_CONTENT;
}

/** Makes the copies that steps place some steps ahead of them, so that one flush makes many durable. */
export class CopiesAhead {
  readonly #steps: readonly OrderedStep[];
  readonly #staging: StagingArea;
  /** For the steps before it all was tried. */
  #until = 0;

  constructor(steps: readonly OrderedStep[], staging: StagingArea) {
    this.#steps = steps;
    this.#staging = staging;
  }

  /**
   * Copies for the step at an index and those after it, if it is one that needs a copy and has none.
   * @param end steps from here on may not happen
   * @throws StoreError `disk-full`, `disk-read-only`, `disk-failed`; what else fails, the step itself tries again and tells
   */
  async prepareFor(index: number, end: number): Promise<void> {
    const step = this.#steps[index]!;
    if (index < this.#until || step.action !== "place" || !isCopied(step)) return;
    try {
      await this.#staging.copies.make(this.#contentsFrom(index, end));
    } catch (error) {
      const fatal = fatalDiskError(error, "copying files of equal content");
      if (fatal !== undefined) throw fatal;
    }
  }

  /** One for each copy. */
  #contentsFrom(start: number, end: number): readonly ContentId[] {
    const contents: ContentId[] = [];
    let bytes = 0;
    for (this.#until = start; this.#until < end; this.#until++) {
      if (contents.length === MAX_COPIES || bytes >= MAX_BYTES) break;
      const step = this.#steps[this.#until]!;
      if (step.action !== "place" || !isCopied(step)) continue;
      contents.push(step.entry.content);
      bytes += step.entry.size;
    }
    return contents;
  }
}
