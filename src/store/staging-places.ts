import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { isSystemError, messageOf } from "../core/errors.ts";
import { joinPath, RESERVED_TOP_LEVEL_NAME, type RepoPath, repoPathFromText } from "../core/repo-path.ts";
import { ConfinedDirectory } from "./confined-directory.ts";
import { readFileIfExists, removeFileDurably, writeFileDurably } from "./durable-file.ts";
import { fatalDiskError, StoreError } from "./errors.ts";
import { OWN_DIRECTORY } from "./own-directory.ts";
import { AREA_NAMES, StagingArea } from "./staging.ts";

/** In DEST/.prsync: JSON, a {@link Note}. */
const NOTE_NAME = "staging-places.json";
/** In DEST/.prsync and in a place, for a moment; one that a kill left is taken by the next run. */
const TRIAL = repoPathFromText("trial-rename");
const PLACE_NAME = /^\.prsync-[0-9a-f]{16}$/;

interface Note {
  /**
   * Inode number of DEST/.prsync: a copy of DEST has a copy of the note, but the places belong to the first one. Without the device,
   * whose number may change with each mount; places on another one are refused anyway.
   */
  readonly inode: string;
  /** Directories of ours elsewhere in which something may be staged, the newest last. */
  readonly places: readonly string[];
}

/** Where a run is to stage. */
export interface StagingChoice {
  /** A directory on the file system of DEST, absolute or seen from DEST; undefined: DEST/.prsync. */
  readonly directory: string | undefined;
  /** Its last part is made if it is missing. */
  readonly makesDirectory?: boolean;
  /** Stay where the last run left something, whatever is asked for: a dry run, a command without the option. */
  readonly staysInPlace?: boolean;
}

const IN_DEST =
  "lies in DEST, where all paths are those of releases; leave the option out, and files are staged in DEST/.prsync";

/** DEST/.prsync. */
export const IN_OWN_DIRECTORY: StagingChoice = { directory: undefined };

interface PlaceParts {
  readonly staging: StagingArea;
  readonly inner: StagingArea;
  readonly left: readonly StagingArea[];
  /** Of the run; undefined in DEST/.prsync. */
  readonly current: string | undefined;
  readonly note: NoteFile;
  /** All that the note has. */
  readonly noted: readonly string[];
  /** Those of them that nothing keeps from being removed once they are empty. */
  readonly removable: readonly string[];
  readonly unreached: string[];
}

/**
 * The staging areas of a run, in DEST/.prsync or in a directory of ours (`.prsync-HEX`, 0700) within another one, and those of
 * earlier runs that had others. Such a directory is noted in DEST/.prsync before it is made and until it is gone, so that nothing
 * is lost or left behind wherever a run ends.
 */
export class StagingPlaces implements Disposable {
  readonly staging: StagingArea;
  /** Of inner contents. */
  readonly inner: StagingArea;
  /** What runs that staged elsewhere left. */
  readonly left: readonly StagingArea[];
  /** Why something that was left stays where it is, and noted. */
  readonly unreached: readonly string[];
  readonly #parts: PlaceParts;
  readonly #resources: DisposableStack;

  private constructor(parts: PlaceParts, resources: DisposableStack) {
    this.staging = parts.staging;
    this.inner = parts.inner;
    this.left = parts.left;
    this.unreached = parts.unreached;
    this.#parts = parts;
    this.#resources = resources;
  }

  /**
   * DEST/.prsync is there, and its lock is held.
   * @throws StoreError `temp-dir-unusable`; as {@link StagingArea.open}
   */
  static async open(
    destination: ConfinedDirectory,
    options: { readonly isSparse?: boolean | undefined; readonly choice?: StagingChoice | undefined } = {},
  ): Promise<StagingPlaces> {
    const { isSparse = false, choice = IN_OWN_DIRECTORY } = options;
    const note = new NoteFile(destination);
    const before = await note.read();
    const asked = usableDirectory(destination, choice);
    const staysInPlace = choice.staysInPlace === true;
    const current = staysInPlace ? before.findLast(isThere) : asked && placeIn(asked, before);
    const others = before.filter((path) => path !== current);
    const noted = current === undefined ? others : [...others, current];
    if (noted.length > before.length) await note.write(noted);
    using resources = new DisposableStack();
    const place = current === undefined ? undefined : resources.use(openPlace(destination, current));
    const staging = resources.use(StagingArea.open(destination, { isSparse, place }));
    const inner = resources.use(StagingArea.openInner(destination, place));
    const { left, unreached } = staysInPlace ? NOTHING_LEFT : openLeft(destination, { others, current }, resources);
    const removable = staysInPlace ? [] : others.filter((path) => !isThere(path) || left.some(isIn(path)));
    const parts = { staging, inner, left, current, note, noted, removable, unreached: [...unreached] };
    return new StagingPlaces(parts, resources.move());
  }

  /** Moves the parts of all that was {@link left} here; a power cut leaves each in one of both places. */
  async takeOver(): Promise<void> {
    const { noted, removable, note, unreached } = this.#parts;
    for (const area of this.left) {
      try {
        await this.staging.takePartsOf(area);
      } catch (error) {
        if (!isSystemError(error, "EXDEV")) throw error;
        unreached.push(`nothing can be renamed from "${area.directory.rootPath}" (${messageOf(error)})`);
      }
    }
    const gone = new Set(removable.filter(removePlace));
    if (gone.size === 0) return;
    const kept = noted.filter((path) => !gone.has(path));
    await (kept.length === 0 ? removeFileDurably(note.path) : note.write(kept));
  }

  /**
   * What cleans directories by age removes an empty one of ours, too; nothing can be staged in it then.
   * @throws StoreError `staging-removed`
   */
  assertInPlace(): void {
    if (this.#parts.current === undefined) return;
    for (const { directory } of [this.staging, this.inner]) {
      if (directory.isRootInPlace()) continue;
      const told = `staging directory "${directory.rootPath}" was removed or replaced while in use; the next start makes one`;
      throw new StoreError("staging-removed", told);
    }
  }

  /** A directory of ours in which nothing is staged any more goes. */
  [Symbol.dispose](): void {
    this.#resources[Symbol.dispose]();
    const { current, noted, note } = this.#parts;
    if (current === undefined || !removePlace(current)) return;
    if (!noted.some(isThere)) fs.rmSync(note.path, { force: true });
  }
}

/** @returns its real path; undefined for DEST/.prsync @throws StoreError `temp-dir-unusable` */
function usableDirectory(destination: ConfinedDirectory, choice: StagingChoice): string | undefined {
  if (choice.directory === undefined) return undefined;
  const path = resolve(destination.rootPath, choice.directory);
  try {
    if (choice.makesDirectory === true && !isThere(path)) {
      if (choice.staysInPlace === true) return undefined;
      fs.mkdirSync(path, { mode: 0o700 });
    }
    const real = fs.realpathSync(path);
    if (`${real}/`.startsWith(`${fs.realpathSync(destination.rootPath)}/`)) throw unusable(path, IN_DEST);
    using directory = ConfinedDirectory.open(real);
    assertSameMount(directory, destination);
    return real;
  } catch (error) {
    if (error instanceof StoreError && error.code === "temp-dir-unusable") throw error;
    throw unusable(path, `can't be used: ${messageOf(error)}`, error);
  }
}

/**
 * The same file system is not enough: rename(2) fails between two mounts of it, too.
 * @throws StoreError `temp-dir-unusable`
 */
function assertSameMount(directory: ConfinedDirectory, destination: ConfinedDirectory): void {
  const isSame = directory.device === destination.device && mountOf(directory) === mountOf(destination);
  if (isSame) return;
  const why = `is on another file system (or another mount of it) than "${destination.rootPath}"`;
  const what =
    "only within one can a rename put a finished file in its place at once; name a directory on that of DEST";
  throw unusable(directory.rootPath, `${why}: ${what}`);
}

function mountOf(directory: ConfinedDirectory): string | undefined {
  using pinned = directory.pinDirectory(undefined);
  const info = fs.readFileSync(pinned.procPath.replace("/fd/", "/fdinfo/").slice(0, -1), "latin1");
  return /^mnt_id:\s*(\d+)$/m.exec(info)?.[1];
}

function unusable(path: string, why: string, cause?: unknown): StoreError {
  return new StoreError("temp-dir-unusable", `temporary directory "${path}" ${why}`, { cause });
}

/** The place that an earlier run made there, or a new one. */
function placeIn(directory: string, noted: readonly string[]): string {
  const there = noted.find((path) => dirname(path) === directory && isThere(path));
  return there ?? join(directory, `.prsync-${randomBytes(8).toString("hex")}`);
}

/** Made if it is not there. @throws StoreError `temp-dir-unusable` if somebody else's stands there */
function openPlace(destination: ConfinedDirectory, path: string): ConfinedDirectory {
  using parent = ConfinedDirectory.open(dirname(path));
  const name = repoPathFromText(basename(path));
  const isNew = makeIfMissing(parent, name);
  const stats = parent.lstat(name);
  if (stats?.isDirectory() !== true || stats.uid !== BigInt(process.geteuid!())) {
    throw unusable(path, "is not this user's own");
  }
  using resources = new DisposableStack();
  const place = resources.use(parent.openBelow(name));
  if (place.inode !== stats.ino) throw unusable(path, "was swapped for another one");
  assertSameMount(place, destination);
  try {
    assertRenames(place, destination);
  } catch (error) {
    if (isNew) parent.rmdir(name);
    throw error;
  }
  resources.move();
  return place;
}

/** @returns whether it was made @throws StoreError `temp-dir-unusable` */
function makeIfMissing(parent: ConfinedDirectory, name: RepoPath): boolean {
  try {
    if (parent.lstat(name) !== undefined) return false;
    parent.mkdir(name, 0o700);
    return true;
  } catch (error) {
    throw unusable(parent.rootPath, `can't be used: ${messageOf(error)}`, error);
  }
}

/**
 * Within one mount, too, rename(2) may fail: into a directory of another project (ext4 and xfs quotas). A full disk is told of by what writes.
 * @throws StoreError `temp-dir-unusable`
 */
function assertRenames(place: ConfinedDirectory, destination: ConfinedDirectory): void {
  const tried = joinPath(OWN_DIRECTORY, TRIAL);
  try {
    if (place.lstat(TRIAL) === undefined) fs.closeSync(place.createExclusive(TRIAL));
    place.rename(TRIAL, tried, { into: destination });
    destination.unlink(tried);
  } catch (error) {
    if (place.lstat(TRIAL) !== undefined) place.unlink(TRIAL);
    if (fatalDiskError(error, "")?.code === "disk-full") return;
    if (!isSystemError(error, "EXDEV")) throw error;
    const why = `takes no part in renames into "${destination.rootPath}": project quotas keep them apart`;
    throw unusable(place.rootPath, `${why}; name a directory of the project of DEST`, error);
  }
}

interface LeftAreas {
  readonly left: readonly StagingArea[];
  readonly unreached: readonly string[];
}

const NOTHING_LEFT: LeftAreas = { left: [], unreached: [] };

/** Areas of earlier runs from which parts can be moved; what can't be reached now stays noted. */
function openLeft(
  destination: ConfinedDirectory,
  { others, current }: { readonly others: readonly string[]; readonly current: string | undefined },
  resources: DisposableStack,
): LeftAreas {
  const unreached: string[] = [];
  const left = others.filter(isThere).flatMap((path) => {
    try {
      const place = resources.use(openPlace(destination, path));
      resources.use(StagingArea.openInner(destination, place));
      return [resources.use(StagingArea.open(destination, { place }))];
    } catch (error) {
      if (error instanceof StoreError && /-unusable$/.test(error.code)) {
        unreached.push(error.message);
        return [];
      }
      throw error;
    }
  });
  if (current !== undefined) left.push(resources.use(StagingArea.open(destination)));
  return { left, unreached };
}

function isIn(path: string): (area: StagingArea) => boolean {
  return ({ directory }) => dirname(directory.rootPath) === path;
}

/** Also if that can't be told. */
function isThere(path: string): boolean {
  try {
    return fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

/** @returns whether it is gone; false if something is staged in it */
function removePlace(path: string): boolean {
  try {
    for (const each of [...AREA_NAMES.map((name) => join(path, name)), path]) removeIfEmpty(each);
    return true;
  } catch (error) {
    if (isSystemError(error, "ENOTEMPTY", "EEXIST", "EACCES", "EPERM", "EBUSY", "ENOTDIR")) return false;
    throw error;
  }
}

function removeIfEmpty(path: string): void {
  try {
    fs.rmdirSync(path);
  } catch (error) {
    if (!isSystemError(error, "ENOENT")) throw error;
  }
}

class NoteFile {
  readonly path: string;
  readonly #inode: string;

  constructor(destination: ConfinedDirectory) {
    const own = join(destination.rootPath, RESERVED_TOP_LEVEL_NAME);
    this.path = join(own, NOTE_NAME);
    this.#inode = `${destination.lstat(OWN_DIRECTORY)!.ino}`;
  }

  /** @returns places; none if the note is that of another DEST, or damaged: what it named can't be told from others' any more */
  async read(): Promise<string[]> {
    const text = (await readFileIfExists(this.path))?.toString("utf8");
    if (text === undefined) return [];
    try {
      const { inode, places } = JSON.parse(text) as Readonly<Record<keyof Note, unknown>>;
      const isPlace = (each: unknown): each is string =>
        typeof each === "string" && each.startsWith("/") && PLACE_NAME.test(basename(each));
      return inode === this.#inode && Array.isArray(places) ? places.filter(isPlace) : [];
    } catch {
      return [];
    }
  }

  async write(places: readonly string[]): Promise<void> {
    const note: Note = { inode: this.#inode, places };
    await writeFileDurably(this.path, `${JSON.stringify(note)}\n`, { mode: 0o600 });
  }
}
