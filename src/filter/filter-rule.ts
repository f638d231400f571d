import type { PathPattern } from "./path-pattern.ts";

/** What a rule that matches decides, and for whom: the side that sends (what is in a selection) or the one that receives (what may be removed). */
export interface PatternRule {
  readonly kind: "pattern";
  readonly isInclude: boolean;
  /** Matches what the pattern does not match ("!"). */
  readonly isNegated: boolean;
  readonly isForSender: boolean;
  readonly isForReceiver: boolean;
  readonly pattern: PathPattern;
  /** As it was written, to tell why a path is left out. */
  readonly text: string;
}

/** "dir-merge": rules of this name in each directory stand in this place, the deepest directory's first. */
export interface DirectoryMerge {
  readonly kind: "directory-merge";
  readonly fileName: string;
  /** Rules of a directory hold for those below, too. */
  readonly isInherited: boolean;
  readonly grammar: MergeGrammar;
  readonly text: string;
}

/** How the lines of a merged file are read. */
export interface MergeGrammar {
  /** Lines are patterns alone, all of this kind ("merge,-"). */
  readonly only: "include" | "exclude" | undefined;
  /** Words instead of lines; then nothing is a comment. */
  readonly isWordSplit: boolean;
  /** Given to each rule in the file ("s", "r"). */
  readonly side: "sender" | "receiver" | undefined;
}

export type FilterRule = PatternRule | DirectoryMerge;
