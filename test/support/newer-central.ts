import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { compressZstd } from "../../src/codec/zstd.ts";
import { encodeBundleList, parseBundleList, type BundleRow } from "../../src/manifest/bundle-list.ts";
import { encodeChangeList, type ChangeList } from "../../src/manifest/change-list.ts";
import { cutChunks, parseChunk } from "../../src/manifest/chunk.ts";
import type { Entry } from "../../src/manifest/entry.ts";
import { ManifestError } from "../../src/manifest/errors.ts";
import { encodeIndex, parseIndex, type ChunkRef } from "../../src/manifest/manifest-index.ts";
import { objectRefOf, type ObjectRef } from "../../src/manifest/object-ref.ts";
import { encodeRelease, parseRelease, type Release } from "../../src/manifest/release.ts";
import { TufSession } from "../../src/publisher/tuf-session.ts";
import { readTufState } from "../../src/publisher/tuf-state.ts";
import { KeyStore } from "../../src/store/key-store.ts";
import { TufDirectory } from "../../src/store/tuf-directory.ts";
import { sha256Hex } from "../../src/trust/tuf-roles.ts";
import type { TamperingProxy } from "./tampering-proxy.ts";

/** A release with all it names. */
export interface WholeRelease {
  readonly release: Release;
  readonly entries: readonly Entry[];
  readonly bundles: readonly BundleRow[];
}

/** What a release of a later version of the program may have. */
export interface NewerRelease extends WholeRelease {
  /** Further keys of the lines of the index. */
  readonly ofChunk?: Pick<ChunkRef, "unknown">;
  /** The list that leads to it from the release before; without it mirrors read index and chunks. */
  readonly changes?: ChangeList;
}

/** Stands for a central of a later version: the same repository and keys, releases made here, the rest from the proxy's central. */
export class NewerCentral {
  readonly #proxy: TamperingProxy;
  readonly #stateDirectory: string;

  /** @param copyDirectory where the copy of central's state goes that the releases are signed in */
  constructor(proxy: TamperingProxy, stateDirectory: string, copyDirectory: string) {
    execFileSync("cp", ["-a", stateDirectory, copyDirectory]);
    this.#proxy = proxy;
    this.#stateDirectory = copyDirectory;
  }

  /** From now on mirrors see this release. */
  async publish(newer: NewerRelease): Promise<WholeRelease> {
    const chunks = [...cutChunks(newer.entries)];
    for (const { bytes } of chunks) this.#addObject(bytes);
    const list = newer.changes;
    const changes =
      list === undefined ? [] : [{ ...this.#addObject(encodeChangeList(list)), from: list.from, to: list.to }];
    const release: Release = {
      ...newer.release,
      index: {
        ...newer.release.index,
        ...this.#addObject(encodeIndex(chunks.map(({ ref }) => ({ ...ref, ...newer.ofChunk })))),
      },
      bundles: { ...newer.release.bundles, ...this.#addObject(encodeBundleList(newer.bundles)) },
      changes,
    };
    await this.#sign(encodeRelease(release));
    return { ...newer, release };
  }

  #addObject(bytes: Uint8Array): ObjectRef {
    const ref = objectRefOf(bytes);
    this.#proxy.add(`objects/${ref.sha256}`, () => compressZstd(bytes));
    return ref;
  }

  async #sign(bytes: Uint8Array): Promise<void> {
    const directory = await TufDirectory.open(join(this.#stateDirectory, "tuf"));
    const keys = await KeyStore.open(join(this.#stateDirectory, "keys"));
    const state = (await readTufState(directory))!;
    const session = new TufSession(state, { directory, keys, nowMs: Date.now() });
    const target = { sha256: sha256Hex(bytes), lengthBytes: bytes.length };
    await directory.writeRelease(target.sha256, bytes);
    await session.publish("targets", target).catch(ignoreUnknownRequirement);
    for (const name of [
      "timestamp.json",
      ...names(directory.path),
      ...names(join(directory.path, "targets"), "targets/"),
    ]) {
      this.#proxy.add(`tuf/${name}`, () => readFileSync(join(directory.path, name)));
    }
  }
}

/** Once all is signed our own program reads it back, and refuses what only later ones know. */
function ignoreUnknownRequirement(error: unknown): void {
  if (!(error instanceof ManifestError) || error.code !== "unknown-requirement") throw error;
}

function names(directory: string, prefix = ""): string[] {
  return readdirSync(directory)
    .map((name) => prefix + name)
    .filter((name) => name.endsWith(".json"));
}

/** The newest release that was published, read from what lies on central's disk. */
export function readNewestRelease(stateDirectory: string, workDirectory: string): WholeRelease {
  const targets = join(stateDirectory, "tuf/targets");
  const releases = readdirSync(targets).map((name) => parseRelease(readFileSync(join(targets, name))));
  const release = releases.sort((a, b) => b.number - a.number)[0]!;
  const object = ({ sha256 }: ObjectRef): Uint8Array =>
    zstdDecompressSync(readFileSync(join(workDirectory, "objects", sha256.slice(0, 2), sha256)));
  const entries = parseIndex(object(release.index)).flatMap((ref) => parseChunk(object(ref)));
  return { release, entries, bundles: parseBundleList(object(release.bundles)) };
}
