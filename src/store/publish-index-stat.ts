/** The parts of a stat that matter here; a BigIntStats is one. This one can be sent to another thread. */
export interface InodeStat {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly mode: bigint;
  readonly nlink: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

export function inodeStatOf(stats: InodeStat): InodeStat {
  const { dev, ino, mode, nlink, size, mtimeNs, ctimeNs } = stats;
  return { dev, ino, mode, nlink, size, mtimeNs, ctimeNs };
}

/**
 * What must stay the same for a file to count as unchanged, as one comparable text: inode, size, mtime and ctime in
 * nanoseconds. ctime changes with mode, owner and link count too. The device is left out: its number may change with
 * a reboot, and an inode number of another file system with equal times to the nanosecond is not believable.
 */
export type StatFingerprint = string & { readonly brand: "StatFingerprint" };

export function fingerprintOf(stats: InodeStat): StatFingerprint {
  return `${stats.ino}.${stats.size}.${stats.mtimeNs}.${stats.ctimeNs}` as StatFingerprint;
}

/** What {@link fingerprintOf} was made of. */
export function factsOf(stat: StatFingerprint): Pick<InodeStat, "ino" | "size" | "mtimeNs" | "ctimeNs"> {
  const [ino, size, mtimeNs, ctimeNs] = stat.split(".") as [string, string, string, string];
  return { ino: BigInt(ino), size: BigInt(size), mtimeNs: BigInt(mtimeNs), ctimeNs: BigInt(ctimeNs) };
}

/** The key of a hard-link group: all paths of one inode share it. */
export function inodeKey(stats: { readonly dev: bigint; readonly ino: bigint }): string {
  return `${stats.dev}.${stats.ino}`;
}

/**
 * Compares all but ctime: linking and unlinking change ctime and nothing else that matters here. A write gives a new
 * mtime, since files are read only once their times are older than a tick of the kernel's clock (hash-file.ts).
 */
export function isSameButForCtime(a: InodeStat, b: InodeStat): boolean {
  return a.ino === b.ino && a.dev === b.dev && a.size === b.size && a.mtimeNs === b.mtimeNs;
}
