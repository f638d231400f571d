import { createHash } from "node:crypto";
import {
  constants,
  copyFileSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { FULL_CATALOGUE, SMALL_CATALOGUE, type Catalogue, type PackageVersions } from "./real-catalogue.ts";
import { DebianArchive, nameBucket, npmPackage, PackagesUnavailable, type IndexKind } from "./real-packages.ts";

export type RepositorySize = "small" | "full";

/** How many releases the series has. */
export const RELEASES = 4;
/** 2026-01-01; contents of release N carry a time N days later, so that a tree is the same whenever it is made. */
const EPOCH_SECONDS = 1_767_225_600;
const DAY_SECONDS = 86_400;

/** A file of a release: its bytes lie in the cache, or were made. */
type Source = { readonly file: string; readonly age: number } | { readonly text: string; readonly age: number };
type Layout = ReadonlyMap<string, Source>;

/** What a release holds. */
export interface ReleaseShape {
  readonly files: number;
  readonly bytes: number;
  /** SHA-256 over paths, sizes and hashes, to compare runs. */
  readonly digest: string;
}

/**
 * A repository of real published packages as a series of releases. Each adds the next versions and takes away those
 * before last; release 3 renames the directory of the sources; a part of the packages lies there twice under another
 * name, as for a derived distribution; the indexes are Debian's, growing as its updates come in.
 */
export class RealRepository {
  /** Packages that the archives no longer have in the pinned version: left out. */
  readonly absent: readonly string[];
  readonly #layouts: readonly Layout[];

  private constructor(layouts: readonly Layout[], absent: readonly string[]) {
    this.#layouts = layouts;
    this.absent = absent;
  }

  /** Fetches what the cache lacks. @throws PackagesUnavailable if there is nothing to build from */
  static fetch(size: RepositorySize): RealRepository {
    const catalogue = size === "small" ? SMALL_CATALOGUE : FULL_CATALOGUE;
    const archive = DebianArchive.open();
    const absent: string[] = [];
    const packages = [...npmFiles(catalogue), ...debianFiles(catalogue, archive, absent)];
    if (packages.length === 0) throw new PackagesUnavailable("none of the packages could be fetched");
    const indexes = new IndexSeries(catalogue, archive);
    const releases = Array.from({ length: RELEASES }, (_, index) => index + 1);
    const layouts = releases.map(
      (release) => new Map([...packages.flatMap((place) => place(release)), ...indexes.files(release)]),
    );
    return new RealRepository(layouts, absent);
  }

  /** Turns the tree of the release before (an empty directory before the first) into this release, 1 … {@link RELEASES}. */
  apply(tree: string, release: number): ReleaseShape {
    const before: Layout = this.#layouts[release - 2] ?? new Map<string, Source>();
    const after = this.#layouts[release - 1]!;
    for (const [path, source] of after) if (!isSame(before.get(path), source)) put(join(tree, path), source);
    for (const path of before.keys()) if (!after.has(path)) remove(tree, path);
    return this.shape(release);
  }

  shape(release: number): ReleaseShape {
    const digest = createHash("sha256");
    let bytes = 0;
    const layout = this.#layouts[release - 1]!;
    for (const [path, source] of [...layout].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const size = "file" in source ? statSync(source.file).size : source.text.length;
      bytes += size;
      digest.update(`${path}\0${size}\0${"file" in source ? basename(source.file) : sha256(source.text)}\n`);
    }
    return { files: layout.size, bytes, digest: digest.digest("hex") };
  }
}

/** Files of one package in a release. */
type Placement = (release: number) => [string, Source][];

function npmFiles(catalogue: Catalogue): Placement[] {
  return catalogue.npm.map((entry) => {
    const files = entry.versions.map((version) => npmPackage(entry.name, version));
    return (release) => {
      const shown = shownVersions(entry, release);
      const newest = shown.at(-1)!;
      return [
        ...shown.flatMap((index): [string, Source][] => [
          [`npm/${entry.name}/${basename(files[index]!.tgz)}`, { file: files[index]!.tgz, age: index }],
          [`npm/unpacked/${basename(files[index]!.tar)}`, { file: files[index]!.tar, age: index }],
        ]),
        [`npm/latest/${entry.name.replace("/", "+")}.tgz`, { file: files[newest]!.tgz, age: newest }],
      ];
    };
  });
}

function debianFiles(catalogue: Catalogue, archive: DebianArchive, absent: string[]): Placement[] {
  const fetchAll = (
    packages: readonly PackageVersions[],
    fetch: (name: string, version: string) => readonly string[] | undefined,
  ): { readonly name: string; readonly versions: readonly (readonly string[])[] }[] =>
    packages.map(({ name, versions }) => ({
      name,
      versions: versions.flatMap((version) => {
        const files = fetch(name, version);
        if (files === undefined) absent.push(`${name}=${version}`);
        return files === undefined ? [] : [files];
      }),
    }));
  const debs = fetchAll(catalogue.debs, (name, version) => {
    const file = archive.binary(name, version);
    return file === undefined ? undefined : [file];
  });
  const sources = fetchAll(catalogue.sources, (name, version) => archive.source(name, version));
  return [
    ...debs.map(({ name, versions }): Placement => (release) => {
      const isShared = nameBucket(name, 3) === 0;
      return shownVersions({ versions }, release).flatMap((age) => placeDeb(versions[age]![0]!, { age, isShared }));
    }),
    ...sources.map(({ versions }): Placement => (release) => {
      const directory = release < 3 ? "debian/source" : "debian/pool/source";
      return shownVersions({ versions }, release).flatMap((age) =>
        versions[age]!.map((file): [string, Source] => [`${directory}/${basename(file)}`, { file, age }]),
      );
    }),
  ];
}

function placeDeb(
  file: string,
  { age, isShared }: { readonly age: number; readonly isShared: boolean },
): [string, Source][] {
  const name = basename(file);
  const twin = `derived/pool/${name.replace("_amd64", "+derived_amd64")}`;
  return [
    [`debian/pool/${name[0]}/${name}`, { file, age }],
    ...(isShared ? [[twin, { file, age }] as [string, Source]] : []),
  ];
}

/** Indexes of the versions that a release shows: the newest so far and the one before it. */
function shownVersions({ versions }: { readonly versions: readonly unknown[] }, release: number): number[] {
  const first = Math.max(0, Math.min(release - 2, versions.length - 1));
  return versions.map((_, index) => index).slice(first, release);
}

/** Debian's own indexes; a reproducible quarter of the packages moves to its newest version with each release. */
class IndexSeries {
  readonly #packages: ReadonlyMap<string, readonly string[]>;
  readonly #sources: ReadonlyMap<string, readonly string[]>;

  constructor(catalogue: Catalogue, archive: DebianArchive) {
    const read = (kind: IndexKind, suites: readonly string[]): ReadonlyMap<string, readonly string[]> =>
      Map.groupBy(
        suites.flatMap((suite) => archive.stanzas(kind, suite)),
        (stanza) => /^Package: (.*)$/m.exec(stanza)?.[1] ?? "",
      );
    this.#packages = read("Packages", catalogue.packagesOf);
    this.#sources = read("Sources", catalogue.sourcesOf);
  }

  files(release: number): [string, Source][] {
    const texts: [string, string][] = [
      ["main/binary-amd64/Packages", indexText(this.#packages, release)],
      ["main/source/Sources", indexText(this.#sources, release)],
    ];
    const sums = texts.map(([path, text]) => ` ${sha256(text)} ${text.length} ${path}`).join("\n");
    texts.push(["Release", `Suite: stable\nVersion: ${release}\nSHA256:\n${sums}\n`]);
    return texts.map(([path, text]) => [`debian/dists/stable/${path}`, { text, age: release }]);
  }
}

function indexText(stanzas: ReadonlyMap<string, readonly string[]>, release: number): string {
  const shown = [...stanzas].map(([name, versions]) =>
    nameBucket(name, RELEASES) < release - 1 ? versions.at(-1)! : versions[0]!,
  );
  return `${shown.join("\n\n")}\n`;
}

function isSame(before: Source | undefined, after: Source): boolean {
  if (before === undefined || before.age !== after.age) return false;
  return "file" in after
    ? "file" in before && before.file === after.file
    : "text" in before && before.text === after.text;
}

function put(path: string, source: Source): void {
  mkdirSync(dirname(path), { recursive: true });
  rmSync(path, { force: true });
  if ("file" in source) copyFileSync(source.file, path, constants.COPYFILE_FICLONE);
  else writeFileSync(path, source.text, "latin1");
  const seconds = EPOCH_SECONDS + source.age * DAY_SECONDS;
  utimesSync(path, seconds, seconds);
}

/** With the directories that it leaves empty. */
function remove(tree: string, path: string): void {
  rmSync(join(tree, path));
  for (let parent = dirname(path); parent !== "."; parent = dirname(parent)) {
    if (readdirSync(join(tree, parent)).length > 0) return;
    rmdirSync(join(tree, parent));
  }
}

function sha256(text: string): string {
  return createHash("sha256").update(text, "latin1").digest("hex");
}
