import { hash } from "node:crypto";
import type { ContentId } from "../core/content-id.ts";
import { baseNameOf, type RepoPath } from "../core/repo-path.ts";
import type { Selection } from "../filter/selection.ts";
import type { Entry } from "../manifest/entry.ts";
import { SyncError } from "./errors.ts";
import type { Mirror } from "./mirror.ts";

/** Rules, not data: more is a slip in the name of the rule. */
const MAX_FILE_BYTES: number = 256 * 1024;
const MAX_FILES = 10_000;

/** A selection with what its dir-merge rules name. */
interface MergedSelection {
  readonly selection: Selection;
  /** Another one means other texts; "" without such rules. */
  readonly mergeFiles: string;
}

/**
 * Gives a selection with dir-merge rules the files that they name, as the release has them: what DEST holds is read there,
 * the rest comes from central, checked by its SHA-256.
 * @throws SyncError `bad-selection`, `wrong-bytes`, …; FilterError `bad-rule`
 */
export async function withMergeFiles(mirror: MergeFileSources, selection: Selection): Promise<MergedSelection> {
  if (selection.mergeFileNames.size === 0) return { selection, mergeFiles: "" };
  const texts = new Map<string, string>();
  const files = mergeFilesOf(mirror, selection.mergeFileNames);
  for (const [path, { content, size }] of files) {
    if (size > MAX_FILE_BYTES) throw tooMuch(`file of rules "${path}" has ${size} bytes`);
    if (texts.size === MAX_FILES) throw tooMuch(`more than ${MAX_FILES} files of rules`);
    texts.set(path, Buffer.from(await bytesOf(mirror, content, size)).toString("latin1"));
  }
  const contents = [...files].map(([path, { content }]) => `${content} ${path}\0`).sort();
  return { selection: selection.withMergeFiles(texts), mergeFiles: hash("sha256", contents.join(""), "hex") };
}

type MergeFileSources = Pick<Mirror, "index" | "held" | "central" | "ports">;
type MergeFile = Extract<Entry, { readonly kind: "file" }>;

function mergeFilesOf({ index }: MergeFileSources, names: ReadonlySet<string>): Map<RepoPath, MergeFile> {
  const found = new Map<RepoPath, MergeFile>();
  const note = (path: RepoPath, entry: Entry | undefined): void => {
    if (!names.has(baseNameOf(path))) return;
    if (entry?.kind === "file") found.set(path, entry);
    else found.delete(path);
  };
  for (const entry of index.manifest.entries()) note(entry.path, entry);
  if (index.manifest.next() === undefined) return found;
  for (const { path, after } of index.manifest.changes()) note(path, after);
  return found;
}

async function bytesOf(
  { held, central, ports }: MergeFileSources,
  content: ContentId,
  size: number,
): Promise<Uint8Array> {
  if (size === 0) return new Uint8Array();
  const bytes =
    (await held.read(content, 0, size)) ?? (await central.contentRange(content, { start: 0, end: size }, ports.signal));
  if (hash("sha256", bytes, "hex") === content) return bytes;
  throw new SyncError("wrong-bytes", `a file of rules is not the content ${content} that the release names`);
}

function tooMuch(what: string): SyncError {
  return new SyncError("bad-selection", `dir-merge: ${what}`);
}
