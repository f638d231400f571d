import * as fs from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ContentTable, encodeContentTable } from "../../../src/manifest/content-table.ts";
import { PublishIndex } from "../../../src/store/publish-index.ts";
import type { PublishedTreeReader } from "../../../src/store/published-tree.ts";
import { RetainedContents } from "../../../src/store/retained-contents.ts";
import { SmallCopies } from "../../../src/store/small-copies.ts";
import { SmallReads } from "../../../src/store/small-reads.ts";
import { PublishFixture, readBundles, readContent, sha256 } from "./published-fixture.ts";

/** The first bundle read on the spot, by a clock that no read takes long by. */
class FirstBundle implements Disposable {
  readonly #index: PublishIndex;
  readonly #retained: RetainedContents;
  readonly #bundle: Awaited<ReturnType<PublishedTreeReader["bundle"]>>;
  readonly #copies: SmallCopies;

  private constructor(workDirectory: string, bundle: Awaited<ReturnType<PublishedTreeReader["bundle"]>>) {
    this.#index = PublishIndex.openForReading(workDirectory)!;
    this.#retained = RetainedContents.open(workDirectory);
    this.#bundle = bundle;
    const smallReads = new SmallReads(
      () => 0,
      () => 0,
    );
    this.#copies = new SmallCopies(bundle!, { index: this.#index, retained: this.#retained, smallReads });
  }

  static async open(fixture: PublishFixture, tree: PublishedTreeReader): Promise<FirstBundle> {
    const [row] = await readBundles(tree);
    return new FirstBundle(fixture.options.workDirectory, await tree.bundle(row!.infoHash));
  }

  /** What is given of each content, by content id. */
  read(): Map<string, string | undefined> {
    const { contents, layout } = this.#bundle!;
    return new Map(
      Array.from(contents, ({ content }, ordinal) => {
        const bytes = this.#copies.read(ordinal, layout.content(ordinal).length);
        return [content, bytes && Buffer.from(bytes).toString()];
      }),
    );
  }

  [Symbol.dispose](): void {
    this.#retained[Symbol.dispose]();
    this.#index[Symbol.dispose]();
  }
}

test("small contents of a bundle are read at once, each its own bytes", async () => {
  using fixture = new PublishFixture();
  // More than the index is asked for at a time.
  const texts = Array.from({ length: 1_200 }, (_, index) => `content ${index}`);
  texts.forEach((text, index) => fs.writeFileSync(join(fixture.tree, `file-${index}`), text));
  await fixture.publish();
  using tree = await fixture.open();
  const expected = new Map(texts.map((text) => [sha256(Buffer.from(text)) as string, text]));
  using bundle = await FirstBundle.open(fixture, tree);
  expect(bundle.read()).toEqual(expected);
});

test("a copy that was written to, or is gone, is not given at once; the right bytes are found where they still are", async () => {
  using fixture = new PublishFixture();
  for (const name of ["edited", "twin of edited"]) fs.writeFileSync(join(fixture.tree, name), "same bytes");
  fs.writeFileSync(join(fixture.tree, "lost"), "lost bytes");
  fs.writeFileSync(join(fixture.tree, "calm"), "calm bytes");
  await fixture.publish();
  using tree = await fixture.open();
  const [same, lost, calm] = ["same", "lost", "calm"].map((word) => sha256(Buffer.from(`${word} bytes`)));
  using bundle = await FirstBundle.open(fixture, tree);
  bundle.read();
  const linked = ["edited", "twin of edited"].find((name) => fs.statSync(join(fixture.tree, name)).nlink === 2)!;
  fs.writeFileSync(join(fixture.tree, linked), "SAME BYTES");
  fs.rmSync(join(fixture.options.workDirectory, "contents", lost!.slice(0, 2), lost!));
  const now = bundle.read();
  expect(now.get(same!)).toBeUndefined();
  expect(now.get(lost!)).toBeUndefined();
  expect(now.get(calm!)).toBe("calm bytes");
  expect((await readContent(tree, same!))?.toString()).toBe("same bytes");
});

test("a table that is shorter than the index's bundle of that number gives what fits, and no error", async () => {
  using fixture = new PublishFixture();
  for (const name of ["a", "b", "c"]) fs.writeFileSync(join(fixture.tree, name), `content of ${name}`);
  await fixture.publish();
  using tree = await fixture.open();
  const [row] = await readBundles(tree);
  const { contents, number } = (await tree.bundle(row!.infoHash))!;
  const [first] = contents;
  using index = PublishIndex.openForReading(fixture.options.workDirectory)!;
  using retained = RetainedContents.open(fixture.options.workDirectory);
  const smallReads = new SmallReads(
    () => 0,
    () => 0,
  );
  const short = { number, contents: ContentTable.parse(encodeContentTable([first!])) };
  const copies = new SmallCopies(short, { index, retained, smallReads });
  expect(sha256(Buffer.from(copies.read(0, first!.lengthBytes)!))).toBe(first!.content);
});
