import type { Metadata, Root } from "@tufjs/models";
import { TrustError } from "./errors.ts";
import { type TufRole, isSignedFor, parseMetadata } from "./tuf-roles.ts";

/** Root metadata that follows from the pinned one. */
export interface TrustedRoot {
  readonly metadata: Metadata<Root>;
  readonly bytes: Uint8Array;
}

/**
 * The longest beginning of `files` (1.root.json, 2.root.json, …) that is a chain: each version one higher than the one
 * before and signed by the threshold of that one and of itself (TUF 5.3.4, 5.3.5). What comes after a damaged file is
 * left out, to be fetched again. The caller has compared the first file with its fingerprint.
 */
export function trustedRoots(files: readonly Uint8Array[]): readonly TrustedRoot[] {
  const chain: TrustedRoot[] = [];
  for (const [index, bytes] of files.entries()) {
    const metadata = parsedRoot(bytes);
    if (metadata?.signed.version !== index + 1) break;
    const previous = chain.at(-1)?.metadata ?? metadata;
    if (!isSignedFor(previous, "root", metadata) || !isSignedFor(metadata, "root", metadata)) break;
    chain.push({ metadata, bytes });
  }
  return chain;
}

/** Keys and threshold that a root names for a role. */
export interface RoleTrust {
  /** Ascending. */
  readonly keyIds: readonly string[];
  readonly threshold: number;
}

export function roleTrustOf(root: Metadata<Root>, role: TufRole): RoleTrust {
  const { keyIDs, threshold } = root.signed.roles[role]!;
  return { keyIds: [...new Set(keyIDs)].sort(), threshold };
}

function parsedRoot(bytes: Uint8Array): Metadata<Root> | undefined {
  try {
    return parseMetadata("root", bytes);
  } catch (error) {
    if (error instanceof TrustError) return undefined;
    throw error;
  }
}
