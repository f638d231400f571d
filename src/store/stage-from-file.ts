import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { type ContentId, contentIdOf } from "../core/content-id.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { ConfinedDirectory } from "./confined-directory.ts";
import { chunksOf } from "./file-copy.ts";
import { type FileStat, fileStatOf, isSameFileStat } from "./file-stat.ts";
import type { StagingArea } from "./staging.ts";

/** Up to this size a file is read and written in one synchronous go: a tenth of the cost of five trips to the pool. */
const SMALL_BYTES = 128 * 1024;

/** A file that is read as source of a copy, and what is known about it. */
export interface CopySource {
  readonly directory: ConfinedDirectory;
  readonly path: RepoPath;
  /** If given, the file must still have this stat. */
  readonly expectedStat?: FileStat;
}

/** "changed": not the expected file, or written to while it was read; "differs": read well, but other bytes. */
export type CopyOutcome =
  | { readonly outcome: "copied"; readonly stat: FileStat }
  | { readonly outcome: "changed" }
  | { readonly outcome: "differs"; readonly content: ContentId };

/**
 * Stages `content` from a file that is said to hold it, hashing along. A part that is there already is overwritten (if
 * the file is large), so this comes before anything is fetched; what was copied and has another SHA-256 is discarded.
 * After "changed" of a complete copy the part is right all the same. System errors (`ENOENT`, …) come through.
 */
export async function stageFromFile(
  staging: StagingArea,
  content: ContentId,
  source: CopySource,
): Promise<CopyOutcome> {
  const descriptor = source.directory.openForReadingSync(source.path);
  try {
    const before = fileStatOf(fs.fstatSync(descriptor, { bigint: true }));
    if (source.expectedStat !== undefined && !isSameFileStat(before, source.expectedStat))
      return { outcome: "changed" };
    const copied =
      before.size <= SMALL_BYTES
        ? copySmall(staging, content, { descriptor, size: before.size })
        : await copyLarge(staging, content, { descriptor, size: before.size });
    const after = fileStatOf(fs.fstatSync(descriptor, { bigint: true }));
    if (copied === undefined || !isSameFileStat(before, after)) return { outcome: "changed" };
    return copied === content ? { outcome: "copied", stat: after } : { outcome: "differs", content: copied };
  } finally {
    fs.closeSync(descriptor);
  }
}

interface OpenSource {
  readonly descriptor: number;
  readonly size: number;
}

function copySmall(staging: StagingArea, content: ContentId, source: OpenSource): ContentId | undefined {
  const bytes = Buffer.allocUnsafe(source.size);
  for (let done = 0; done < bytes.length;) {
    const count = fs.readSync(source.descriptor, bytes, done, bytes.length - done, done);
    if (count === 0) return undefined;
    done += count;
  }
  const copied = contentIdOf(createHash("sha256").update(bytes).digest());
  if (copied === content) staging.stageWhole(content, bytes);
  return copied;
}

async function copyLarge(staging: StagingArea, content: ContentId, source: OpenSource): Promise<ContentId | undefined> {
  const part = staging.stage(content, source.size);
  const hash = createHash("sha256");
  let offset = 0;
  for await (const bytes of chunksOf(source.descriptor, source.size)) {
    if (bytes === undefined) break;
    hash.update(bytes);
    await part.write(offset, bytes);
    offset += bytes.length;
  }
  const copied = offset === source.size ? contentIdOf(hash.digest()) : undefined;
  if (copied !== content) staging.discard(content);
  return copied;
}
