import { hash } from "node:crypto";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { parseContentId, type ContentId } from "../../../src/core/content-id.ts";
import { repoPathFromText, type RepoPath } from "../../../src/core/repo-path.ts";
import { encodeBundleList, type BundleRow } from "../../../src/manifest/bundle-list.ts";
import { cutChunks } from "../../../src/manifest/chunk.ts";
import { encodeContentTable, type TableContent } from "../../../src/manifest/content-table.ts";
import type { Entry, FileEntry } from "../../../src/manifest/entry.ts";
import { encodeIndex } from "../../../src/manifest/manifest-index.ts";
import { objectRefOf } from "../../../src/manifest/object-ref.ts";
import type { Release } from "../../../src/manifest/release.ts";
import { ConfinedDirectory } from "../../../src/store/confined-directory.ts";
import { fileStatOf } from "../../../src/store/file-stat.ts";
import { MirrorIndex } from "../../../src/store/mirror-index.ts";
import { StagingArea } from "../../../src/store/staging.ts";
import { compressZstd } from "../../../src/codec/zstd.ts";

export const pathOf: (text: string) => RepoPath = repoPathFromText;

export function contentOf(bytes: string | Uint8Array): ContentId {
  return parseContentId(hash("sha256", bytes, "hex"));
}

/** Remembers what is logged: `level message`. */
export class RecordingLog {
  readonly lines: string[] = [];
  debug(_fields: object, message: string): void {
    this.lines.push(`debug ${message}`);
  }
  info(_fields: object, message: string): void {
    this.lines.push(`info ${message}`);
  }
  warn(_fields: object, message: string): void {
    this.lines.push(`warn ${message}`);
  }
}

/** A DEST with its index and staging area in a directory that goes away with the test. */
export class MirrorDisk {
  readonly rootPath: string = realpathSync(mkdtempSync(join(tmpdir(), "prsync-edge-")));
  readonly destination: ConfinedDirectory;
  readonly staging: StagingArea;
  readonly index: MirrorIndex;
  readonly log: RecordingLog = new RecordingLog();

  constructor() {
    this.destination = ConfinedDirectory.open(this.rootPath);
    this.staging = StagingArea.open(this.destination);
    this.index = MirrorIndex.open(join(this.rootPath, ".prsync/index.sqlite"));
    onTestFinished(() => {
      this.index[Symbol.dispose]();
      this.staging[Symbol.dispose]();
      this.destination[Symbol.dispose]();
      rmSync(this.rootPath, { recursive: true, force: true });
    });
  }

  at(name: string): string {
    return join(this.rootPath, name);
  }

  /** Writes a file with the mtime that {@link fileEntry} tells. */
  write(name: string, bytes: string | Uint8Array, mtimeSeconds = 1_000_000): void {
    mkdirSync(dirname(this.at(name)), { recursive: true });
    writeFileSync(this.at(name), bytes);
    utimesSync(this.at(name), mtimeSeconds, mtimeSeconds);
  }

  /** Records what stands at a path now as this content, whatever it is. */
  record(name: string, content: ContentId, isVerified = true): void {
    const stats = this.destination.lstat(pathOf(name))!;
    this.index.files.put(pathOf(name), { stat: fileStatOf(stats), content, isVerified });
  }

  /** A file that is there and recorded with its true content. */
  hold(name: string, bytes: string | Uint8Array): ContentId {
    this.write(name, bytes);
    this.record(name, contentOf(bytes));
    return contentOf(bytes);
  }

  /** Makes a release the held one, without looking at DEST. */
  async holdRelease(number: number, entries: readonly Entry[]): Promise<void> {
    this.announceNext(number, entries);
    await this.index.commitRelease();
  }

  /** Makes a release the one on its way. */
  announceNext(number: number, entries: readonly Entry[]): void {
    const chunks = [...cutChunks(entries)];
    for (const { ref, bytes } of chunks) this.index.manifest.putChunk(ref.sha256, compressZstd(bytes));
    const refs = chunks.map(({ ref }) => ref);
    this.index.setNextRelease({ release: number, index: objectRefOf(encodeIndex(refs)).sha256, refs });
  }
}

/** A file entry as {@link MirrorDisk.write} makes files. */
export function fileEntry(name: string, bytes: string | Uint8Array, change: Partial<FileEntry> = {}): FileEntry {
  const size = Buffer.byteLength(bytes);
  const mtimeNs = 1_000_000_000_000_000n;
  return { kind: "file", path: pathOf(name), mode: 0o644, mtimeNs, size, content: contentOf(bytes), ...change };
}

export function directoryEntry(name: string): Entry {
  return { kind: "directory", path: pathOf(name), mode: 0o755, mtimeNs: 1_000_000_000_000_000n };
}

export function symlinkEntry(name: string, target: string): Entry {
  return { kind: "symlink", path: pathOf(name), mtimeNs: 1_000_000_000_000_000n, target };
}

/** A row whose table has these contents. */
export function bundleRow(
  number: number,
  contents: readonly TableContent[],
  change: Partial<BundleRow> = {},
): BundleRow {
  const pieceLength = 16_384;
  const pieces = contents.reduce((sum, { lengthBytes }) => sum + Math.ceil(lengthBytes / pieceLength), 0);
  return {
    number,
    kind: "content",
    infoHash: hash("sha1", `bundle ${number}`, "hex"),
    lengthBytes: pieces * pieceLength,
    pieceLength,
    contentCount: contents.length,
    release: 1,
    table: objectRefOf(encodeContentTable(contents)),
    name: `bundle-${number}`,
    ...change,
  };
}

/** A release with everything that a mirror reads of it. */
export function releaseOf(
  number: number,
  entries: readonly Entry[],
  change: Partial<Release> & { readonly bundleRows?: readonly BundleRow[] } = {},
): Release {
  const { bundleRows = [], ...fields } = change;
  const files = entries.filter((entry) => entry.kind === "file");
  return {
    requires: [],
    repository: "0".repeat(32),
    number,
    created: "2026-11-20T11:00:00Z",
    previous: number === 1 ? undefined : number - 1,
    swarmSize: 65_536,
    passKey: Buffer.alloc(32).toString("base64"),
    totals: {
      entries: entries.length,
      files: files.length,
      bytes: files.reduce((sum, file) => sum + file.size, 0),
      contents: new Set(files.map((file) => file.content)).size,
    },
    root: { mode: 0o755, mtimeNs: 0n },
    index: objectRefOf(encodeIndex([...cutChunks(entries)].map(({ ref }) => ref))),
    changes: [],
    bundles: objectRefOf(encodeBundleList(bundleRows)),
    metadata: [],
    ...fields,
  };
}
