import { hashOfId } from "../core/rendezvous.ts";

/** What a volatile volunteer is to hold, as it goes out in JSON (docs/protocol.md, "Announce of volunteers"). */
export interface VolatileAssignment {
  /** The newest one. */
  readonly release: number;
  /** Nothing that an earlier release brought. */
  readonly since: number;
  /** Orders the slices of what does not fit whole; 32 bits. */
  readonly seed: number;
}

/** Contents that the newest release has, of some sizes. */
export interface ReleaseBytes {
  /** That brought them. */
  readonly release: number;
  /** Each is shorter. */
  readonly belowBytes: number;
  /** Of all of them. */
  readonly bytes: number;
}

/**
 * The newest releases whose contents fill the quota, the last of them in part; the same for the same release, volunteer and quota. Contents
 * that may be longer than the quota do not count. The volunteer counts for itself, so what is told here may only reach too far back.
 */
export function assignVolatile(
  volunteer: { readonly id: string; readonly quotaBytes: number },
  release: number,
  sums: readonly ReleaseBytes[],
): VolatileAssignment {
  const { id, quotaBytes } = volunteer;
  const seed = hashOfId(id);
  let leftBytes = quotaBytes;
  const fitting = sums.filter(({ belowBytes }) => belowBytes <= quotaBytes);
  for (const { release: since, bytes } of fitting.sort((a, b) => b.release - a.release)) {
    leftBytes -= bytes;
    if (leftBytes <= 0) return { release, since, seed };
  }
  return { release, since: 1, seed };
}
