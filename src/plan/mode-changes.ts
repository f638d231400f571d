/** One clause of `--chmod`: which bits stay and which are added. */
export interface ModeChange {
  /** "D" and "F" of rsync; both if neither was said. */
  readonly applies: "directories" | "files" | "all";
  /** Permission bits that stay. */
  readonly keep: number;
  /** Permission bits that are set afterwards. */
  readonly set: number;
  /** "X": execute bits only for directories and for files that anybody may execute. */
  readonly isExecuteConditional: boolean;
}

const ALL_BITS = 0o7777;
const EXECUTE_BITS = 0o111;
const OCTAL = /^([DF]*)([0-7]{1,5})$/;
const SYMBOLIC = /^([DFugoa]*)([-+=])([rwxXst]*)$/;
const WHO: Readonly<Record<string, number>> = { u: 0o100, g: 0o010, o: 0o001, a: 0o111 };
const WHAT: Readonly<Record<string, number>> = { r: 4, w: 2, x: 1, X: 1 };
const SET_ID: Readonly<Record<string, number>> = { u: 0o4000, g: 0o2000 };

/**
 * The clauses of rsync's `--chmod`, "Dg+s,ug+w,Fo-w,+X" or "D755,F644". Without "who" the umask says which bits may change.
 * @returns undefined if a clause is no such thing
 */
export function parseModeChanges(text: string, umask: number): readonly ModeChange[] | undefined {
  const changes = text.split(",").map((clause) => parseClause(clause, umask));
  return changes.includes(undefined) ? undefined : (changes as ModeChange[]);
}

function parseClause(clause: string, umask: number): ModeChange | undefined {
  const octal = OCTAL.exec(clause);
  const symbolic = octal === null ? SYMBOLIC.exec(clause) : null;
  const applies = appliesTo(octal?.[1] ?? symbolic?.[1]?.replace(/[ugoa]/g, "") ?? "");
  if (applies === undefined) return undefined;
  if (octal !== null) {
    const mode = parseInt(octal[2]!, 8);
    return mode > ALL_BITS ? undefined : { applies, keep: 0, set: mode, isExecuteConditional: false };
  }
  if (symbolic === null) return undefined;
  const [, head, operator, letters] = symbolic as unknown as [string, string, string, string];
  return { applies, ...symbolicBits({ who: head.replace(/[DF]/g, ""), operator, letters, umask }) };
}

function appliesTo(letters: string): ModeChange["applies"] | undefined {
  const [isDirectories, isFiles] = [letters.includes("D"), letters.includes("F")];
  if (isDirectories && isFiles) return undefined;
  return isDirectories ? "directories" : isFiles ? "files" : "all";
}

function symbolicBits(clause: {
  readonly who: string;
  readonly operator: string;
  readonly letters: string;
  readonly umask: number;
}): Omit<ModeChange, "applies"> {
  const { who, operator, letters } = clause;
  const whose = bitsOf(who, WHO);
  const named = bitsOf(letters, WHAT) * (whose === 0 ? EXECUTE_BITS : whose);
  const permissions = whose === 0 ? named & ~clause.umask : named;
  const ownSetIds = bitsOf(who, SET_ID);
  // "s" without u or g is set-user-id, as rsync has it.
  const setIds = letters.includes("s") ? ownSetIds || 0o4000 : 0;
  const top = setIds | (letters.includes("t") ? 0o1000 : 0);
  const isExecuteConditional = letters.includes("X");
  switch (operator) {
    case "+":
      return { keep: ALL_BITS, set: permissions | top, isExecuteConditional };
    case "-":
      return { keep: ALL_BITS & ~(permissions | top), set: 0, isExecuteConditional };
    default: {
      const cleared = (whose === 0 ? EXECUTE_BITS : whose) * 7;
      return {
        keep: ALL_BITS & ~(cleared | (top === 0 ? 0 : ownSetIds)),
        set: permissions | top,
        isExecuteConditional,
      };
    }
  }
}

function bitsOf(letters: string, table: Readonly<Record<string, number>>): number {
  return [...letters].reduce((bits, letter) => bits | (table[letter] ?? 0), 0);
}

/** A mode after all clauses. @param isDirectory symlinks have no mode of their own */
export function changeMode(mode: number, changes: readonly ModeChange[], isDirectory: boolean): number {
  const isExecutable = isDirectory || (mode & EXECUTE_BITS) !== 0;
  return changes.reduce((before, change) => {
    if (change.applies !== "all" && (change.applies === "directories") !== isDirectory) return before;
    const added = change.isExecuteConditional && !isExecutable ? change.set & ~EXECUTE_BITS : change.set;
    return (before & change.keep) | added;
  }, mode);
}
