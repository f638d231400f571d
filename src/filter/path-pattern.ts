import { WildcardPattern } from "./wildcard.ts";

/** Patterns are the operator's own; this bounds slips, not attacks. */
export const MAX_PATTERN_BYTES = 4_096;

/**
 * The pattern of a filter rule, as "PATTERN MATCHING RULES" of rsync(1) has it: a leading slash anchors it, a trailing one
 * is for directories alone; without a slash inside and without `**` it is compared with the last part of a path, otherwise
 * with the end of the path, from a slash on.
 */
export class PathPattern {
  readonly #isForDirectories: boolean;
  readonly #isAnchored: boolean;
  readonly #base: string;
  readonly #body: string;
  readonly #slashCount: number;
  readonly #wildcard: WildcardPattern | undefined;
  readonly #hasDoubleStar: boolean;

  /** @param base directory (byte string, "" the top) that a leading slash stands for */
  constructor(pattern: string, base = "") {
    this.#isForDirectories = pattern.length > 1 && pattern.endsWith("/");
    const whole = this.#isForDirectories ? pattern.slice(0, -1) : pattern;
    this.#isAnchored = whole.startsWith("/");
    this.#base = base === "" ? "" : `${base}/`;
    this.#body = this.#isAnchored ? whole.slice(1) : whole;
    this.#slashCount = whole.split("/").length - 1;
    this.#wildcard = /[*?[]/.test(whole) ? new WildcardPattern(this.#body) : undefined;
    this.#hasDoubleStar = whole.includes("**");
  }

  /** @param path byte string without slashes at its ends */
  matches(path: string, isDirectory: boolean): boolean {
    if (this.#isForDirectories && !isDirectory) return false;
    if (this.#slashCount === 0 && !this.#hasDoubleStar)
      return this.#matchesWhole(path.slice(path.lastIndexOf("/") + 1));
    // "dir/***" is for the directory and for all in it.
    const text = isDirectory && this.#body.endsWith("***") ? `${path}/` : path;
    if (this.#isAnchored) {
      return text.startsWith(this.#base) && this.#matchesWhole(text.slice(this.#base.length));
    }
    return this.#hasDoubleStar ? this.#matchesAfterAnySlash(text) : this.#matchesLastParts(text);
  }

  #matchesWhole(text: string): boolean {
    return this.#wildcard === undefined ? text === this.#body : this.#wildcard.matches(text);
  }

  #matchesAfterAnySlash(text: string): boolean {
    // A leading "**" takes every beginning itself, and "**/" the empty one.
    if (this.#body.startsWith("**")) return this.#matchesWhole(`/${text}`);
    for (let start = 0; start >= 0;) {
      if (this.#wildcard!.matches(text, start)) return true;
      const slash = text.indexOf("/", start);
      start = slash < 0 ? -1 : slash + 1;
    }
    return false;
  }

  #matchesLastParts(text: string): boolean {
    let start = text.length;
    for (let parts = 0; parts <= this.#slashCount; parts++) {
      if (start < 0) return false;
      start = start === 0 ? -1 : text.lastIndexOf("/", start - 1);
    }
    return this.#matchesWhole(text.slice(start + 1));
  }
}
