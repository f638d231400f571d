import type { PinnedDescriptor } from "./descriptor-cache.ts";
import type { PartFile } from "./staged-content.ts";

/** What makes, opens and replaces a part. */
export interface PartMaker {
  make(): PinnedDescriptor;
  pin(): PinnedDescriptor;
  replace(): string;
}

/** A part that may not be there yet; once it was, it is not made again. */
export class LazyPart implements PartFile {
  #isMade: boolean;
  readonly #area: PartMaker;

  constructor(isMade: boolean, area: PartMaker) {
    this.#isMade = isMade;
    this.#area = area;
  }

  pinForWriting(): PinnedDescriptor {
    if (this.#isMade) return this.#area.pin();
    this.#isMade = true;
    return this.#area.make();
  }

  pin(): PinnedDescriptor {
    return this.#area.pin();
  }

  replace(): string {
    this.#isMade = true;
    return this.#area.replace();
  }
}
