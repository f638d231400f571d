/** A path before or after a sync, as far as rsync's `--itemize-changes` looks at it. */
export interface ItemizedState {
  /** "other": device, FIFO or socket. */
  readonly kind: "absent" | "other" | "file" | "directory" | "symlink";
  readonly size?: number;
  readonly mode?: number;
  readonly mtimeNs?: bigint;
  readonly target?: string;
  readonly uid?: number;
  readonly gid?: number;
}

/** One change of a mirror. */
export interface ItemizedChange {
  /** A byte string; "." is the mirrored directory itself. */
  readonly path: string;
  /** "update": content, target or the thing itself; "link": a further name of `linkTo`; "attributes": nothing else than these. */
  readonly action: "update" | "link" | "attributes" | "remove";
  readonly before: ItemizedState;
  readonly after: ItemizedState;
  readonly linkTo?: string | undefined;
}

/** What the run was told, as far as it shows. */
export interface ItemizingRules {
  /** Contents were compared (rsync --checksum). */
  readonly checksum: boolean;
}

/** Same times are not equal to the nanosecond everywhere (docs/protocol.md, release). */
const MTIME_TOLERANCE_NS = 1_000n;
const LETTERS: Readonly<Record<ItemizedState["kind"], string>> = {
  file: "f",
  directory: "d",
  symlink: "L",
  other: "S",
  absent: "f",
};

/** The line that rsync prints for a change: `>f.st...... path`, `cL+++++++++ path -> target`, `*deleting   path/`. */
export function itemizedLine(change: ItemizedChange, rules: ItemizingRules): string {
  const { path, action, before, after, linkTo } = change;
  const kind = action === "remove" ? before.kind : after.kind;
  const name = `${escapedName(path)}${kind === "directory" ? "/" : ""}`;
  if (action === "remove") return `*deleting   ${name}`;
  if (linkTo !== undefined) return `${flags(change, rules)} ${name} => ${escapedName(linkTo)}`;
  const target = after.kind === "symlink" ? ` -> ${escapedName(after.target ?? "")}` : "";
  return `${flags(change, rules)} ${name}${target}`;
}

/** The eleven columns `YXcstpoguax`. */
function flags(change: ItemizedChange, rules: ItemizingRules): string {
  const { before, after } = change;
  const first = updateLetter(change) + LETTERS[after.kind];
  if (before.kind !== after.kind) return `${first}+++++++++`;
  const columns = [
    isContentChange(change, rules) ? "c" : ".",
    after.kind === "file" && before.size !== after.size ? "s" : ".",
    isOtherTime(before, after) ? "t" : ".",
    after.kind !== "symlink" && before.mode !== after.mode ? "p" : ".",
    isOtherOwner(before.uid, after.uid) ? "o" : ".",
    isOtherOwner(before.gid, after.gid) ? "g" : ".",
    "...",
  ].join("");
  // rsync leaves them blank where nothing but the name changed.
  return first + (columns === "........." && !first.startsWith(">") ? "         " : columns);
}

function updateLetter({ action, after }: ItemizedChange): string {
  if (action === "attributes") return ".";
  if (action === "link") return "h";
  return after.kind === "file" ? ">" : "c";
}

function isContentChange({ action, after }: ItemizedChange, { checksum }: ItemizingRules): boolean {
  if (action !== "update") return false;
  return after.kind === "symlink" || (after.kind === "file" && checksum);
}

function isOtherTime(before: ItemizedState, after: ItemizedState): boolean {
  const difference = (before.mtimeNs ?? 0n) - (after.mtimeNs ?? 0n);
  return difference > MTIME_TOLERANCE_NS || difference < -MTIME_TOLERANCE_NS;
}

/** What the release does not tell, or the mirror does not take over, stays as it is. */
function isOtherOwner(before: number | undefined, after: number | undefined): boolean {
  return after !== undefined && before !== after;
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** As rsync prints names in a UTF-8 locale: bytes that are no printable text, and what looks like such an escape, as `\#ooo`. */
export function escapedName(name: string): string {
  const plain = name.replace(/\\(?=#\d{3})/g, "\\#134").replace(/[^\t\x20-\x7e\x80-\xff]/g, octal);
  try {
    return strictUtf8.decode(Buffer.from(plain, "latin1"));
  } catch {
    return plain.replace(/[\x80-\xff]/g, octal);
  }
}

function octal(unit: string): string {
  return `\\#${unit.charCodeAt(0).toString(8).padStart(3, "0")}`;
}
