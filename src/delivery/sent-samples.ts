import type { Random } from "../core/clock.ts";
import type { ContentId } from "../core/content-id.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { AuditedFile } from "./audit-question.ts";

/** A file as customers ask for it. */
export interface SentFile {
  readonly path: RepoPath;
  readonly served: { readonly content: ContentId; readonly lengthBytes: number };
}

interface Sample {
  bytes: number;
  file: AuditedFile | undefined;
}

/** More than any repository has volunteers; whoever was shut out is forgotten with all others at last. */
const MOST_VOLUNTEERS = 16_384;

/**
 * One of the files that customers were sent to each volunteer for since it was asked for the last time, drawn by bytes: audits ask for what
 * customers get, and most of that is in few files. One file per volunteer is kept, however many are sent.
 */
export class SentSamples {
  readonly #random: Random;
  readonly #samples = new Map<string, Sample>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** Runs for each redirect. @param lengthBytes of what was asked for */
  note(volunteer: string, file: SentFile, lengthBytes: number): void {
    const sample = this.#samples.get(volunteer) ?? this.#begin(volunteer);
    sample.bytes += lengthBytes;
    // Each byte has the same chance to be the one that is kept, whenever it came (reservoir of one).
    if (this.#random() * sample.bytes >= lengthBytes) return;
    sample.file = auditedFile(file);
  }

  /** Begins anew for this one. */
  take(volunteer: string): AuditedFile | undefined {
    const file = this.#samples.get(volunteer)?.file;
    this.#samples.delete(volunteer);
    return file;
  }

  #begin(volunteer: string): Sample {
    if (this.#samples.size >= MOST_VOLUNTEERS) this.#samples.clear();
    const sample: Sample = { bytes: 0, file: undefined };
    this.#samples.set(volunteer, sample);
    return sample;
  }
}

/** Copies: texts that were cut from a request keep all of its head in memory. */
export function auditedFile({ path, served }: SentFile): AuditedFile {
  return { path: copyOf(path), content: copyOf(served.content), lengthBytes: served.lengthBytes };
}

/** Of byte strings and hex. */
function copyOf<T extends string>(text: T): T {
  return Buffer.from(text, "latin1").toString("latin1") as T;
}
