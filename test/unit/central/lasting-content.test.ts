import { expect, test } from "vitest";
import { LastingContent } from "../../../src/central/lasting-content.ts";
import type { OpenContent } from "../../../src/central/published-tree.ts";
import type { ContentId } from "../../../src/core/content-id.ts";
import { StoreError } from "../../../src/store/errors.ts";

const CONTENT = "0".repeat(64) as ContentId;

/** A tree whose copies change one after the other; tells which of them are open. */
class ChangingTree {
  readonly open = new Set<number>();
  #opened = 0;
  /** Copies up to this number are not the content any more. */
  changed = 0;
  hasCopy = true;

  openContent(): Promise<OpenContent | undefined> {
    if (!this.hasCopy) return Promise.resolve(undefined);
    const number = ++this.#opened;
    this.open.add(number);
    return Promise.resolve({
      lengthBytes: 100,
      read: (_start: number, length: number) =>
        number <= this.changed
          ? Promise.reject(new StoreError("content-changed", "changed"))
          : Promise.resolve(new Uint8Array(length).fill(number)),
      [Symbol.asyncDispose]: () => Promise.resolve(void this.open.delete(number)),
    });
  }
}

test("a transfer goes on from another copy, and keeps no more than one open, none at its end", async () => {
  const tree = new ChangingTree();
  {
    await using content = (await LastingContent.open(tree, CONTENT))!;
    expect((await content.read(0, 1))[0]).toBe(1);
    tree.changed = 1;
    expect([(await content.read(1, 1))[0], ...tree.open]).toEqual([2, 2]);
  }
  expect(tree.open.size).toBe(0);
});

test("without another copy a transfer fails, and nothing stays open", async () => {
  const tree = new ChangingTree();
  {
    await using content = (await LastingContent.open(tree, CONTENT))!;
    tree.changed = 1;
    tree.hasCopy = false;
    await expect(content.read(0, 1)).rejects.toMatchObject({ code: "content-changed" });
  }
  expect(tree.open.size).toBe(0);
  expect(await LastingContent.open(tree, CONTENT)).toBeUndefined();
});
