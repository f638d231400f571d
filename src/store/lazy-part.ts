import type { ContentId } from "../core/content-id.ts";
import type { PinnedDescriptor } from "./descriptor-cache.ts";
import type { PartFile } from "./staged-content.ts";
import type { PartAttributes } from "./staging-task.ts";

/** What makes, opens and replaces parts. */
export interface PartMaker {
  make(content: ContentId, lengthBytes: number): PinnedDescriptor;
  pin(content: ContentId): PinnedDescriptor;
  replace(content: ContentId): string;
  finished(content: ContentId, attributes: PartAttributes): void;
  /** It is written to once more. */
  unfinished(content: ContentId): void;
}

/** A part that may not be there yet; once it was, it is not made again. */
export class LazyPart implements PartFile {
  readonly #content: ContentId;
  readonly #lengthBytes: number;
  #isMade: boolean;
  readonly #maker: PartMaker;

  constructor(
    part: { readonly content: ContentId; readonly lengthBytes: number; readonly isMade: boolean },
    maker: PartMaker,
  ) {
    this.#content = part.content;
    this.#lengthBytes = part.lengthBytes;
    this.#isMade = part.isMade;
    this.#maker = maker;
  }

  pinForWriting(): PinnedDescriptor {
    this.#maker.unfinished(this.#content);
    if (this.#isMade) return this.pin();
    this.#isMade = true;
    return this.#maker.make(this.#content, this.#lengthBytes);
  }

  pin(): PinnedDescriptor {
    return this.#maker.pin(this.#content);
  }

  replace(): string {
    this.#isMade = true;
    return this.#maker.replace(this.#content);
  }

  finished(attributes: PartAttributes): void {
    this.#maker.finished(this.#content, attributes);
  }
}
