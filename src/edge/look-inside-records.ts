import { messageOf, PrsyncError } from "../core/errors.ts";
import { repoPathFromText } from "../core/repo-path.ts";
import { METADATA_FILES } from "../manifest/metadata-bundle.ts";
import { parseRecompressions } from "../manifest/recompression.ts";
import type { MirrorIndex } from "../store/mirror-index.ts";
import type { ReleaseMetadata } from "./release-metadata.ts";
import type { SyncLog } from "./sync-log.ts";

/** Longest list that is read: about a million files with one member each would have more. */
const MAX_LIST_BYTES: number = 256 * 2 ** 20;

/**
 * Reads how compressed contents are made again, from the metadata bundles of releases with inner bundles that this mirror
 * knows nothing about. What it can't learn costs bytes later, nothing else.
 * @throws the signal's reason
 */
export async function learnRecompressions(context: {
  readonly index: MirrorIndex;
  readonly metadata: ReleaseMetadata;
  readonly log: SyncLog;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { index, metadata, log, signal } = context;
  const releases = new Set(index.recompressions.unknownBundles().map((number) => index.bundles.get(number)!.release));
  for (const release of releases) {
    try {
      const list = await fetchList(metadata, release, signal);
      if (list === undefined) continue;
      const recompressions = parseRecompressions(list);
      index.transaction(() => recompressions.forEach((recompression) => index.recompressions.put(recompression)));
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof PrsyncError)) throw error;
      log.warn({ release, reason: messageOf(error) }, "not known how compressed files are made again");
    }
  }
}

/** Undefined for a release whose metadata bundle is no longer listed, or without such a list. */
async function fetchList(
  metadata: ReleaseMetadata,
  release: number,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const bundle = metadata.rows.some((row) => row.release === release)
    ? await metadata.ofRelease(release, signal)
    : undefined;
  const file = bundle?.find(repoPathFromText(METADATA_FILES.recompression));
  if (bundle === undefined || file === undefined || file.lengthBytes > MAX_LIST_BYTES) return undefined;
  const whole = { ordinal: file.ordinal, start: 0, end: file.lengthBytes };
  await metadata.fetch(bundle, [whole], signal);
  return await bundle.read(whole);
}
