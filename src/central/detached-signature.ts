import { joinPath, baseNameOf, parentOf, type RepoPath } from "../core/repo-path.ts";
import { SIGNATURE_ENDING } from "../delivery/described-file.ts";
import type { PublishedTree } from "./published-tree.ts";

/** Those of many keys are some kB. */
const MAX_SIGNATURE_BYTES = 16_384;
/** A file may have the longest name there is. */
const MAX_NAME_BYTES = 255;
/** ASCII armour (RFC 9580 §6.2), nothing before or behind it, and nothing that XML must escape but what its headers may hold. */
const ARMOUR = /^-----BEGIN PGP SIGNATURE-----\r?\n[\t\r\n -~]*\n-----END PGP SIGNATURE-----\s*$/;

/** The detached OpenPGP signature that the release has beside a file, `PATH.asc`; undefined if there is none that looks like one. */
export async function signatureOf(
  { tree }: { readonly tree: PublishedTree },
  path: RepoPath,
): Promise<string | undefined> {
  const name = `${baseNameOf(path)}${SIGNATURE_ENDING}`;
  if (name.length > MAX_NAME_BYTES) return undefined;
  const entry = tree.entry(joinPath(parentOf(path), name));
  if (entry?.kind !== "file" || entry.size === 0 || entry.size > MAX_SIGNATURE_BYTES) return undefined;
  await using opened = await tree.openContent(entry.content);
  const text = Buffer.from((await opened?.read(0, entry.size)) ?? "").toString("latin1");
  return ARMOUR.test(text) ? text : undefined;
}
