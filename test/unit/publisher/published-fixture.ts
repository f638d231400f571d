import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PublishedTree } from "../../../src/central/published-tree.ts";
import { decompressZstd } from "../../../src/codec/zstd.ts";
import type { ContentId } from "../../../src/core/content-id.ts";
import { repoPathFromByteString, type RepoPath } from "../../../src/core/repo-path.ts";
import { parseBundleList, type BundleRow } from "../../../src/manifest/bundle-list.ts";
import { parseChangeList, type ChangeList } from "../../../src/manifest/change-list.ts";
import { ManifestVerifier } from "../../../src/manifest/chunk.ts";
import type { Entry } from "../../../src/manifest/entry.ts";
import { parseIndex } from "../../../src/manifest/manifest-index.ts";
import { verifyObject, type ObjectRef } from "../../../src/manifest/object-ref.ts";
import { parseInfoDictionary } from "../../../src/manifest/torrent.ts";
import { realClock } from "../../../src/net/real-clock.ts";
import { DEFAULT_PUBLISH_OPTIONS, type PublishOptions } from "../../../src/publisher/publish-options.ts";
import { publishTree } from "../../../src/publisher/publish-tree.ts";
import type { PublishOutcome, PublishProgress } from "../../../src/publisher/publish-options.ts";
import { PublishedTreeReader } from "../../../src/store/published-tree.ts";

export const SILENT: PublishProgress = { onPhase: () => undefined, onScan: () => undefined, onHash: () => undefined };

/** A TREE with state and work directory in a temporary directory. */
export class PublishFixture implements Disposable {
  readonly base: string;
  readonly tree: string;
  readonly options: PublishOptions;

  constructor() {
    this.base = mkdtempSync(join(tmpdir(), "prsync-publish-"));
    this.tree = join(this.base, "tree");
    mkdirSync(this.tree);
    this.options = {
      ...DEFAULT_PUBLISH_OPTIONS,
      treePath: this.tree,
      stateDirectory: join(this.base, "state"),
      workDirectory: `${this.tree}.prsync`,
      clock: realClock,
    };
  }

  publish(options: Partial<PublishOptions> = {}): Promise<PublishOutcome> {
    return publishTree({ ...this.options, ...options }, SILENT);
  }

  /** What `serve` reads; the second type is the port it satisfies. */
  open(): Promise<PublishedTreeReader & PublishedTree> {
    return PublishedTreeReader.open(this.options);
  }

  [Symbol.dispose](): void {
    rmSync(this.base, { recursive: true, force: true });
  }
}

export function path(text: string): RepoPath {
  return repoPathFromByteString(Buffer.from(text, "utf8").toString("latin1"));
}

async function plainObject(tree: PublishedTreeReader, ref: ObjectRef): Promise<Uint8Array> {
  const frame = await tree.object(ref.sha256);
  if (frame === undefined) throw new Error(`object ${ref.sha256} is missing`);
  const bytes = decompressZstd(frame, ref.lengthBytes);
  verifyObject(ref, bytes);
  return bytes;
}

/** The manifest as a mirror reads it: index and chunks by hash, everything verified. */
export async function readManifest(tree: PublishedTreeReader): Promise<Entry[]> {
  const verifier = new ManifestVerifier();
  const entries: Entry[] = [];
  for (const ref of parseIndex(await plainObject(tree, tree.release!.index))) {
    entries.push(...verifier.accept(ref, await plainObject(tree, ref)));
  }
  return entries;
}

export async function readBundles(tree: PublishedTreeReader): Promise<BundleRow[]> {
  return parseBundleList(await plainObject(tree, tree.release!.bundles));
}

/** The newest change list. */
export async function readChanges(tree: PublishedTreeReader): Promise<ChangeList> {
  return parseChangeList(await plainObject(tree, tree.release!.changes[0]!));
}

/** Undefined if the content can't be had. */
export async function readContent(tree: PublishedTreeReader, content: ContentId): Promise<Buffer | undefined> {
  await using opened = await tree.openContent(content);
  return opened === undefined ? undefined : Buffer.from(await opened.read(0, opened.lengthBytes));
}

export function sha256(bytes: Uint8Array): ContentId {
  return createHash("sha256").update(bytes).digest("hex") as ContentId;
}

/**
 * Reads everything a release names, as mirrors would: manifest, bundles with every piece hash, contents, signatures.
 * Returns the problems found.
 */
export async function problemsOf(tree: PublishedTreeReader): Promise<string[]> {
  const problems: string[] = [];
  const inBundles = new Set<string>();
  for (const row of await readBundles(tree)) {
    const info = parseInfoDictionary((await tree.infoDictionary(row.infoHash))!);
    const bundle = (await tree.bundle(row.infoHash))!;
    if (
      createHash("sha1")
        .update((await tree.infoDictionary(row.infoHash))!)
        .digest("hex") !== row.infoHash
    ) {
      problems.push(`info hash ${row.infoHash}`);
    }
    for (const [ordinal, file] of info.files.entries()) {
      if (bundle.contents.content(ordinal) !== file.content) problems.push(`order of ${row.name}`);
      inBundles.add(file.content);
      const bytes = await readContent(tree, file.content);
      const place = bundle.layout.content(ordinal);
      const pieces = info.pieceHashes.subarray(20 * place.firstPiece, 20 * (place.firstPiece + place.pieceCount));
      if (bytes !== undefined && !piecesOf(bytes, row.pieceLength).equals(pieces))
        problems.push(`pieces ${file.content}`);
    }
  }
  for (const entry of await readManifest(tree)) {
    const indexed = tree.entry(entry.path);
    if (indexed === undefined || !isSame(indexed, entry)) problems.push(`entry "${entry.path}" differs in the index`);
    if (entry.kind !== "file") continue;
    const bytes = await readContent(tree, entry.content);
    if (bytes === undefined || sha256(bytes) !== entry.content) problems.push(`content of "${entry.path}"`);
    if (entry.size > 0 && !inBundles.has(entry.content)) problems.push(`"${entry.path}" is in no bundle`);
    const isSigned = (await tree.signature(entry.content)) !== undefined;
    if (isSigned !== entry.size >= 16_384) problems.push(`signature of "${entry.path}"`);
  }
  return problems;
}

function piecesOf(bytes: Buffer, pieceLength: number): Buffer {
  const padded = Buffer.alloc(Math.ceil(bytes.length / pieceLength) * pieceLength);
  bytes.copy(padded);
  const hashes: Buffer[] = [];
  for (let start = 0; start < padded.length; start += pieceLength) {
    hashes.push(
      createHash("sha1")
        .update(padded.subarray(start, start + pieceLength))
        .digest(),
    );
  }
  return Buffer.concat(hashes);
}

function isSame(a: Entry, b: Entry): boolean {
  const text = (entry: Entry): string =>
    JSON.stringify(Object.entries(entry).sort(), (_key, value: unknown) =>
      typeof value === "bigint" ? value.toString() : value,
    );
  return text(a) === text(b);
}
