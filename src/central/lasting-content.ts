import type { ContentId } from "../core/content-id.ts";
import { StoreError } from "../store/errors.ts";
import type { OpenContent, PublishedTree } from "./published-tree.ts";

/**
 * A content for a transfer that may take hours (row H13). Where copies are hard links, a name that goes away in TREE changes the copy's
 * times and not its bytes: opened anew it is hashed again, or another copy is found, and the transfer goes on.
 */
export class LastingContent implements AsyncDisposable {
  readonly #tree: Pick<PublishedTree, "openContent">;
  readonly #content: ContentId;
  #opened: OpenContent;

  private constructor(tree: Pick<PublishedTree, "openContent">, content: ContentId, opened: OpenContent) {
    this.#tree = tree;
    this.#content = content;
    this.#opened = opened;
  }

  /** Undefined if no intact copy is left. */
  static async open(tree: Pick<PublishedTree, "openContent">, content: ContentId): Promise<LastingContent | undefined> {
    const opened = await tree.openContent(content);
    return opened && new LastingContent(tree, content, opened);
  }

  /** @throws StoreError `content-changed` once no copy has these bytes any more */
  async read(start: number, length: number): Promise<Uint8Array> {
    try {
      return await this.#opened.read(start, length);
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== "content-changed") throw error;
      const again = await this.#tree.openContent(this.#content);
      if (again === undefined) throw error;
      await this.#opened[Symbol.asyncDispose]();
      this.#opened = again;
      return await again.read(start, length);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened[Symbol.asyncDispose]();
  }
}
