import { compressZstd } from "../codec/zstd.ts";
import type { RepoPath } from "../core/repo-path.ts";
import { encodeBundleList, parseBundleList, type BundleRow } from "../manifest/bundle-list.ts";
import { objectRefOf } from "../manifest/object-ref.ts";
import type { Release } from "../manifest/release.ts";
import type { MirrorIndex } from "../store/mirror-index.ts";
import { fetchObject, updateManifest, type HeldManifest } from "./manifest-update.ts";
import type { Mirror } from "./mirror.ts";

/** Files of one content that are looked at for hard links to one of them. */
const MOST_TWINS = 10_000;

/**
 * Brings the manifest of a release into the index as the one on its way (nothing if it is held already) and tells its
 * bundles.
 */
export async function nextManifest(mirror: Mirror, release: Release): Promise<readonly BundleRow[]> {
  const { index, objects, catalog } = mirror;
  const { signal, log } = mirror.ports;
  const known = await bundlesOfInterrupted(mirror, release);
  if (known !== undefined) return known;
  const update = await updateManifest(heldManifest(index), release, { objects, signal, log });
  notePendingOfOther(index, release);
  if (index.facts.get("heldRelease") !== release.number) {
    const next = { release: release.number, index: release.index.sha256, refs: update.chunkRefs };
    index.setNextRelease(next, update.pairs);
  }
  index.transaction(() => catalog.retireAllBut(update.bundles));
  return update.bundles;
}

/** If an interrupted run brought this very manifest here and checked it, only its bundles are told. */
async function bundlesOfInterrupted(
  { index, objects, catalog, ports }: Mirror,
  release: Release,
): Promise<readonly BundleRow[] | undefined> {
  const next = index.manifest.next();
  if (next?.release !== release.number || next.index !== release.index.sha256) return undefined;
  const known = index.bundles.all();
  if (objectRefOf(encodeBundleList(known)).sha256 === release.bundles.sha256) return known;
  const from = { objects, signal: ports.signal };
  const bundles = parseBundleList(await fetchObject(release.bundles, `bundle list of release ${release.number}`, from));
  index.transaction(() => catalog.retireAllBut(bundles));
  return bundles;
}

/** An interrupted run may have put paths of another release there, which the new one may lack: they are looked at too. */
function notePendingOfOther(index: MirrorIndex, release: Release): void {
  const other = index.manifest.next();
  if (other === undefined || other.release === release.number) return;
  index.transaction(() => index.files.addPending(pathsAfter(index)));
}

/** Of the release on its way: changed, or new. */
function* pathsAfter({ manifest }: MirrorIndex): Generator<RepoPath> {
  for (const { path, after } of manifest.changes()) if (after !== undefined) yield path;
}

function heldManifest(index: MirrorIndex): HeldManifest {
  const held = index.manifest.held();
  return {
    release: held?.release ?? 0,
    chunkRefs: () => held?.refs ?? [],
    entriesOf: (sha256) => index.manifest.loadChunk(sha256),
    bundles: () => index.bundles.all(),
    putChunk: (sha256, bytes) => index.manifest.putChunk(sha256, compressZstd(bytes)),
    entry: (path) => index.manifest.entry(path),
    firstBetween: (from, end) => index.manifest.firstBetween(from, end),
    entriesWith: (content) => index.manifest.entriesWith(content, MOST_TWINS),
  };
}
