import type { Random } from "../core/clock.ts";
import type { ContentId } from "../core/content-id.ts";
import type { RepoPath } from "../core/repo-path.ts";

/** A file that a volunteer says it has. */
export interface AuditedFile {
  readonly path: RepoPath;
  readonly content: ContentId;
  readonly lengthBytes: number;
}

/** How customers ask: without `Range`, `bytes=N-` (who goes on where it was cut off), `bytes=N-M` (who fetches in parallel). */
export type AskedAs = "whole" | "rest" | "part";

/** The bytes [start, end) of a file that are compared, and how they are asked for: what comes beyond them is not waited for. */
export interface AuditQuestion extends AuditedFile {
  readonly askedAs: AskedAs;
  readonly start: number;
  readonly end: number;
}

/** Compared of a long file, drawn evenly by powers of two: no length tells an audit. The mean, 87 KiB, is little beside what customers take. */
const FEWEST_BYTES: number = 16 * 1024;
const MOST_BYTES: number = 256 * 1024;
/** Most downloads begin at the beginning, but rot is anywhere: three quarters of the questions about long files may meet it. */
const WHOLE_SHARE = 1 / 4;
const PART_SHARE = 1 / 4;

/** Short files are asked for as customers ask for them and compared to the last byte; of longer ones a piece anywhere, or the beginning. */
export function drawQuestion(file: AuditedFile, random: Random): AuditQuestion {
  const { path, content, lengthBytes } = file;
  const named = { path, content, lengthBytes };
  if (lengthBytes <= MOST_BYTES) return { ...named, askedAs: "whole", start: 0, end: lengthBytes };
  const compared = Math.floor(FEWEST_BYTES * (MOST_BYTES / FEWEST_BYTES) ** random());
  const shape = random();
  if (shape < WHOLE_SHARE) return { ...named, askedAs: "whole", start: 0, end: compared };
  const start = Math.floor(random() * (lengthBytes - compared + 1));
  return { ...named, askedAs: shape < WHOLE_SHARE + PART_SHARE ? "part" : "rest", start, end: start + compared };
}

/** The very same: another range of the same file says nothing about this one. */
export function isSameQuestion(one: AuditQuestion, other: AuditQuestion): boolean {
  return (
    one.content === other.content &&
    one.path === other.path &&
    one.askedAs === other.askedAs &&
    one.start === other.start &&
    one.end === other.end
  );
}
