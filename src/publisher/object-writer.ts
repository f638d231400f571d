import { compressZstd } from "../codec/zstd.ts";
import type { ObjectRef } from "../manifest/object-ref.ts";
import type { IndexedReleases } from "../store/publish-index-release.ts";
import type { HashedFiles } from "../store/publish-objects.ts";

/** Writes objects that are not there and remembers which ones the release needs. */
export class ObjectWriter {
  readonly #context: { readonly objects: HashedFiles; readonly releases: IndexedReleases };
  readonly referred: Set<string> = new Set();
  /** Of those referred to, what the release before did not need, in the order of their mention. */
  readonly newOnes: string[] = [];

  constructor(context: { readonly objects: HashedFiles; readonly releases: IndexedReleases }) {
    this.#context = context;
  }

  /** Nothing was mentioned so far. */
  forgetMentions(): void {
    this.referred.clear();
    this.newOnes.length = 0;
  }

  /** One that is there but not recorded may come from a killed publish and not be whole. */
  isThere(sha256: string): boolean {
    return this.#context.releases.hasObject(sha256) && this.#context.objects.has(sha256);
  }

  refer(sha256: string): void {
    if (this.referred.has(sha256)) return;
    this.referred.add(sha256);
    if (this.#context.releases.isObjectNew(sha256)) this.newOnes.push(sha256);
  }

  async write(ref: ObjectRef, bytes: Uint8Array): Promise<ObjectRef> {
    this.refer(ref.sha256);
    if (!this.isThere(ref.sha256)) await this.#context.objects.write(ref.sha256, compressZstd(bytes));
    return ref;
  }
}
