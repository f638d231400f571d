import { availableParallelism } from "node:os";
import { findGzipRecipe, type RecipeLimits } from "../codec/find-gzip-recipe.ts";
import { gunzip } from "../codec/gunzip.ts";
import { DISK_FAILURES, isSystemError, PrsyncError } from "../core/errors.ts";
import { baseNameOf, parentOf, type RepoPath } from "../core/repo-path.ts";
import { loadStrongSum } from "../delta/strong-sum.ts";
import type { Entry } from "../manifest/entry.ts";
import { encodeRecompression, MAX_INNER_BYTES } from "../manifest/recompression.ts";
import { DirectoryNames } from "../plan/similar-name.ts";
import type { IndexedContents } from "../store/publish-index-contents.ts";
import { childrenLookup } from "../store/publish-index-entries.ts";
import { IndexedRecompressions, type NewContentPath } from "../store/publish-index-recompressions.ts";
import type { PublishIndex } from "../store/publish-index.ts";
import type { ContentReader, OpenedContent } from "../store/retained-contents-reader.ts";
import { FileDigests, type HashSettings } from "./hash-file.ts";

/** What looking into compressed contents needs. */
export interface LookInsideContext {
  readonly index: PublishIndex;
  readonly contents: IndexedContents;
  readonly reader: ContentReader;
  readonly settings: HashSettings;
  /** For all contents of the release together; 0: none is looked into. */
  readonly budgetCpuSeconds: number;
  readonly warn: (line: string) => void;
}

/** One piece: what is shorter costs less than its signature and the questions about it. */
const MIN_CONTENT_BYTES = 64 * 1024;

/**
 * Finds out which new gzip files mirrors can make again from what they unpack to, and records that with piece hashes and
 * signature of the inner content. Only files of which the release before has a relative are looked into: without one
 * there is nothing that a mirror could make a delta from.
 */
export async function lookInside(context: LookInsideContext): Promise<void> {
  if (context.index.appliedRelease === 0 || context.budgetCpuSeconds === 0) return;
  const relatives = new RelativesBefore(context.index);
  const recompressions = new IndexedRecompressions(context.index);
  const candidates = recompressions.newContents(MIN_CONTENT_BYTES).filter(({ path }) => relatives.hasAny(path));
  const budget = new CpuBudget(context.budgetCpuSeconds);
  let next = 0;
  let left = candidates.length;
  const work = async (): Promise<void> => {
    while (next < candidates.length && !budget.isSpent()) {
      if ((await lookInto(candidates[next++]!, { ...context, recompressions, budget })) !== "spent") left--;
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  if (left > 0) context.warn(`the budget for looking into compressed files ended before ${left} of them`);
}

/** CPU time of this process, zlib's threads included, since it was made. */
class CpuBudget {
  readonly #maxSeconds: number;
  readonly #start = process.cpuUsage();

  constructor(maxSeconds: number) {
    this.#maxSeconds = maxSeconds;
  }

  readonly isSpent = (): boolean => {
    const { user, system } = process.cpuUsage(this.#start);
    return (user + system) / 1e6 >= this.#maxSeconds;
  };
}

/** Tells whether the applied release has the same path or one with a similar name beside it. */
class RelativesBefore {
  readonly #children: (directory: RepoPath | undefined) => Entry[];
  readonly #directories = new Map<
    RepoPath | undefined,
    { readonly all: Set<string>; readonly names: DirectoryNames }
  >();

  constructor(index: PublishIndex) {
    this.#children = childrenLookup(index);
  }

  hasAny(path: RepoPath): boolean {
    const directory = parentOf(path);
    let known = this.#directories.get(directory);
    if (known === undefined) {
      const files = this.#children(directory).filter(({ kind }) => kind === "file");
      const all = new Set(files.map((entry) => baseNameOf(entry.path)));
      known = { all, names: new DirectoryNames(all) };
      this.#directories.set(directory, known);
    }
    const name = baseNameOf(path);
    return known.all.has(name) || known.names.mostAlike(name, 1).length > 0;
  }
}

interface LookIntoContext extends LookInsideContext {
  readonly recompressions: IndexedRecompressions;
  readonly budget: CpuBudget;
}

/** A file that can't be read or changes meanwhile is passed over: it is transferred as it is. */
async function lookInto(candidate: NewContentPath, context: LookIntoContext): Promise<"looked" | "spent"> {
  try {
    await using opened = await context.reader.open(candidate.content);
    if (opened === undefined) return "looked";
    const limits: RecipeLimits = { maxInnerBytes: MAX_INNER_BYTES, isSpent: context.budget.isSpent };
    const outcome = await findGzipRecipe(opened, limits);
    if (!outcome.found) return outcome.why === "spent" ? "spent" : "looked";
    if (outcome.innerLengthBytes === 0) return "looked";
    const inner = await digestInner(opened, outcome.innerLengthBytes, context);
    if (inner === undefined) return "spent";
    const line = encodeRecompression({ ...candidate, inner: inner.content, ...outcome });
    context.index.transaction(() =>
      record(candidate, { ...inner, lengthBytes: outcome.innerLengthBytes, line }, context),
    );
  } catch (error) {
    const isAboutFile = error instanceof PrsyncError || isSystemError(error, "ENOENT", "EACCES", ...DISK_FAILURES);
    if (!isAboutFile) throw error;
  }
  return "looked";
}

type InnerDigests = ReturnType<FileDigests["finish"]>;

/** Unpacks it a second time: the block length follows from the length, which is known only now. Undefined: the budget ended. */
async function digestInner(
  opened: OpenedContent,
  lengthBytes: number,
  { settings, budget }: LookIntoContext,
): Promise<InnerDigests | undefined> {
  const digests = new FileDigests(lengthBytes, { settings, strongSum: await loadStrongSum() });
  for await (const pieces of inMultiplesOf(settings.pieceLength, gunzip(opened, lengthBytes))) {
    if (budget.isSpent()) return undefined;
    digests.update(pieces);
  }
  return digests.finish();
}

/** The same bytes in slices of whole multiples of `length`, the last one excepted. */
async function* inMultiplesOf(length: number, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  let pending: Uint8Array = new Uint8Array();
  for await (const bytes of source) {
    pending = Buffer.concat([pending, bytes]);
    const whole = pending.length - (pending.length % length);
    if (whole === 0) continue;
    yield pending.subarray(0, whole);
    pending = pending.subarray(whole);
  }
  if (pending.length > 0) yield pending;
}

function record(
  { contentRow }: NewContentPath,
  inner: InnerDigests & { readonly lengthBytes: number; readonly line: string },
  { contents, recompressions, settings }: LookIntoContext,
): void {
  const indexed = contents.findOrAdd(inner.content, inner.lengthBytes);
  if (!indexed.isPlaced) contents.addPieces(indexed.row, settings.pieceLength, inner.pieces);
  if (inner.signature !== undefined) contents.addSignature(indexed.row, inner.signature);
  if (inner.sketch !== undefined) contents.addSketch(indexed.row, inner.sketch);
  recompressions.add(contentRow, indexed.row, inner.line);
}
