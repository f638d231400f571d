const ALWAYS = "is always so; leave it out";
const AS_ARCHIVE = "sync and daemon mean rsync's -rlptH; add --owner --group for the rest of -a, and leave it out";

/** Options that a line for rsync may have and that `sync` and `daemon` don't take: why, and what to write. By name or letter. */
export const RSYNC_WORDS: ReadonlyMap<string, string> = new Map([
  ...both("archive", "a", AS_ARCHIVE),
  ...both("recursive", "r", ALWAYS),
  ["partial", "what was verified is kept in any case, in DEST/.prsync/staging; leave it out"],
  ["P", "what was verified is kept and progress is drawn on a terminal in any case; leave it out"],
  ["delay-updates", "each file is put in its place once all of them are there; leave it out"],
  ["inplace", "a file shows its old or its new content at any moment, never a mixture; leave it out"],
  ...both("compress", "z", "contents travel as they are, most of them compressed already; leave it out"),
  ["delete-after", "removals come last in any case: sync takes --delete, and daemon removes what releases drop"],
  ["delete-before", "removals come last in any case: sync takes --delete, and daemon removes what releases drop"],
  ["delete-during", "removals come last in any case: sync takes --delete, and daemon removes what releases drop"],
  ["delete-excluded", "not supported: what rules exclude stays; a hide rule (--filter='H PATTERN') removes it"],
  ...both("xattrs", "X", "not supported: extended attributes are not published"),
  ...both("acls", "A", "not supported: ACLs are not published"),
  ["devices", "not supported: no release holds devices"],
  ["specials", "not supported: no release holds FIFOs and sockets"],
  ...both("update", "u", "not supported: a mirror is as the release says"),
]);

function both(name: string, letter: string, why: string): [string, string][] {
  return [
    [name, why],
    [letter, why],
  ];
}
