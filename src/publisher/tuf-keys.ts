import type { Metadata, Root } from "@tufjs/models";
import type { KeyRole, StoredKey } from "../store/key-store.ts";
import { TrustError } from "../trust/errors.ts";
import { roleTrustOf } from "../trust/root-chain.ts";
import { type RoleKeys, type TufRole, TUF_ROLES } from "../trust/tuf-roles.ts";
import type { TufSession } from "./tuf-session.ts";

/** One line of `prsync keys TREE list`. */
export interface KeyListing {
  readonly role: KeyRole;
  /** TUF key id, 64 hex digits. */
  readonly keyId: string;
  /** The private half lies on this machine. */
  readonly isHere: boolean;
  /** The newest root names it (a pass key: always). */
  readonly isTrusted: boolean;
  /** Signatures the role needs. */
  readonly threshold: number;
}

/** More keys per role than anybody guards. */
const MAX_THRESHOLD = 10;

export function listKeys(session: TufSession): readonly KeyListing[] {
  const listings: KeyListing[] = [];
  for (const role of TUF_ROLES) {
    const { keyIds, threshold } = roleTrustOf(session.root, role);
    const here = session.keys.of(role).map(({ keyId }) => keyId);
    for (const keyId of new Set([...keyIds, ...here])) {
      listings.push({ role, keyId, isHere: here.includes(keyId), isTrusted: keyIds.includes(keyId), threshold });
    }
  }
  for (const { keyId } of session.keys.of("pass")) {
    listings.push({ role: "pass", keyId, isHere: true, isTrusted: true, threshold: 1 });
  }
  return listings;
}

/**
 * Gives the role as many new keys as it had and forgets the old ones. Metadata is signed with old and new keys first,
 * then the root changes: there is no moment in which a mirror sees a root that its metadata does not fit.
 *
 * @throws TrustError `missing-key` without enough root keys; without the role's own old keys it works
 */
export async function rotateKeys(session: TufSession, role: TufRole): Promise<readonly StoredKey[]> {
  requireRootKeys(session);
  const { keyIds, threshold } = roleTrustOf(session.root, role);
  const created: StoredKey[] = [];
  for (let count = 0; count < keyIds.length; count++) created.push(await session.keys.create(role));
  const publicKeys = created.map(({ key }) => key.publicKey);
  await changeRole(session, role, { keys: created, roleKeys: { publicKeys, threshold } });
  for (const stored of session.keys.of(role)) {
    if (!created.includes(stored)) await session.keys.remove(stored);
  }
  return created;
}

/**
 * Lets the role need `threshold` signatures; makes the keys that are missing for it.
 *
 * @throws TrustError `bad-threshold`, `missing-key`
 */
export async function setThreshold(
  session: TufSession,
  role: TufRole,
  threshold: number,
): Promise<readonly StoredKey[]> {
  if (!Number.isSafeInteger(threshold) || threshold < 1 || threshold > MAX_THRESHOLD) {
    throw new TrustError(
      "bad-threshold",
      `role ${role}: expected a threshold of 1 to ${MAX_THRESHOLD}, got ${threshold}`,
    );
  }
  requireRootKeys(session);
  const known = publicKeysOf(session.root, role);
  const created: StoredKey[] = [];
  while (known.length + created.length < threshold) created.push(await session.keys.create(role));
  const publicKeys = [...known, ...created.map(({ key }) => key.publicKey)];
  await changeRole(session, role, { keys: created, roleKeys: { publicKeys, threshold } });
  return created;
}

async function changeRole(
  session: TufSession,
  role: TufRole,
  change: { readonly keys: readonly StoredKey[]; readonly roleKeys: RoleKeys },
): Promise<void> {
  const keys = change.keys.map(({ key }) => key);
  const roles = { ...rolesOf(session.root), [role]: change.roleKeys };
  const published = session.published === undefined || role === "root" ? undefined : role;
  session.announceKeys(role, keys);
  const bridged = published !== undefined && session.canSign(role);
  if (bridged) await session.publish(published);
  await session.writeRoot({ roles });
  // Old keys lost or away: mirrors meet a root without fitting metadata until this is written.
  if (published !== undefined && session.isDue(role)) await session.publish(published);
}

function requireRootKeys(session: TufSession): void {
  if (session.canSign("root")) return;
  const { keyIds, threshold } = roleTrustOf(session.root, "root");
  const shown = keyIds.map((keyId) => `root-${keyId.slice(0, 16)}.pem`).join(", ");
  const problem = `changing keys needs ${threshold} of the root keys ${shown} in ${session.keys.directory}`;
  throw new TrustError("missing-key", problem);
}

/** What the newest root says of each role. */
export function rolesOf(root: Metadata<Root>): Readonly<Record<TufRole, RoleKeys>> {
  const of = (role: TufRole): RoleKeys => {
    return { publicKeys: publicKeysOf(root, role), threshold: roleTrustOf(root, role).threshold };
  };
  return { root: of("root"), targets: of("targets"), snapshot: of("snapshot"), timestamp: of("timestamp") };
}

function publicKeysOf(root: Metadata<Root>, role: TufRole): readonly Uint8Array[] {
  return roleTrustOf(root, role).keyIds.map((keyId) => Buffer.from(root.signed.keys[keyId]!.keyVal["public"]!, "hex"));
}
