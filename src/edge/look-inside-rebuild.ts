import { createHash } from "node:crypto";
import { makeGzip } from "../codec/gzip-recipe.ts";
import { messageOf, PrsyncError } from "../core/errors.ts";
import { fatalDiskError } from "../store/errors.ts";
import { download, type DownloadContext } from "./download.ts";
import { dropInner, type InsideContent, type LookInsideContext } from "./look-inside.ts";
import { type ReuseContext, reuseLocalData, type ReusedContent } from "./reuse.ts";

export type RebuildContext = ReuseContext & DownloadContext & Pick<LookInsideContext, "innerStaging">;

/**
 * Fetches what inner contents lack and makes the compressed ones of them. What can't be had or made (another zlib gives other
 * bytes) is to be fetched as it is, with what DEST has of its compressed bytes.
 */
export async function rebuildInside(
  inside: readonly InsideContent[],
  context: RebuildContext,
): Promise<readonly ReusedContent[]> {
  if (inside.length === 0) return [];
  const failed = await fetchInner(inside, context);
  const rebuilt: ReusedContent[] = [];
  for (const one of inside) {
    context.signal.throwIfAborted();
    const { wanted, missingBytes } = one;
    const isMade = !failed.has(one) && (await rebuild(one, context));
    dropInner(one.recompression.inner, context);
    if (isMade) {
      const reusedBytes = Math.max(0, wanted.lengthBytes - missingBytes);
      rebuilt.push({ wanted, how: "delta", transfer: undefined, reusedBytes });
    } else rebuilt.push(...(await reuseLocalData([wanted], context)));
  }
  return rebuilt;
}

/** @returns those whose inner content is not whole */
async function fetchInner(inside: readonly InsideContent[], context: RebuildContext): Promise<Set<InsideContent>> {
  try {
    const failures = await download(
      inside.map(({ transfer }) => transfer),
      context,
    );
    const lacking = new Set(failures.map(({ transfer }) => transfer));
    return new Set(inside.filter(({ transfer }) => lacking.has(transfer)));
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(error instanceof PrsyncError) || fatalDiskError(error, "") !== undefined) throw error;
    context.log.warn(
      { reason: messageOf(error) },
      "inner contents can't be had, fetching compressed files as they are",
    );
    return new Set(inside);
  }
}

/** False if other bytes come of it. Stops at the first byte too many. */
async function rebuild({ wanted, recompression, transfer }: InsideContent, context: RebuildContext): Promise<boolean> {
  const { content, lengthBytes } = wanted;
  const part = context.staging.stage(content, lengthBytes);
  const hash = createHash("sha256");
  const inner = {
    lengthBytes: transfer.lengthBytes,
    read: (offset: number, length: number) =>
      transfer.bytes.read(offset, Math.min(length, transfer.lengthBytes - offset)),
  };
  let made = 0;
  for await (const bytes of makeGzip(recompression.members, inner)) {
    context.signal.throwIfAborted();
    if (made + bytes.length > lengthBytes) break;
    hash.update(bytes);
    await part.write(made, bytes);
    made += bytes.length;
  }
  if (made === lengthBytes && hash.digest("hex") === content) return true;
  context.log.warn({ content }, "this host compresses to other bytes, fetching the file as it is");
  context.staging.discard(content);
  return false;
}
