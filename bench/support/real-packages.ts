import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { cacheDirectory } from "./delta-pairs.ts";

/** For one call of a client: a hundred megabytes over a slow line. */
const PATIENCE_MS = 300_000;

/** Thrown if packages can't be had at all: no client, no network. */
export class PackagesUnavailable extends Error {
  override readonly name = "PackagesUnavailable";
}

/** A published npm package of this version as packed and unpacked tar: paths in the cache. */
export function npmPackage(name: string, version: string): { readonly tgz: string; readonly tar: string } {
  const stem = `${name.replace("@", "").replace("/", "-")}-${version}`;
  const directory = fetchedOnce(join("npm", stem), (target) => {
    call("npm", [
      "pack",
      "--silent",
      "--fetch-retries=1",
      "--fetch-retry-mintimeout=1000",
      `${name}@${version}`,
      "--pack-destination",
      target,
    ]);
    writeFileSync(join(target, `${stem}.tar`), gunzipSync(readFileSync(join(target, `${stem}.tgz`))));
  });
  return { tgz: join(directory, `${stem}.tgz`), tar: join(directory, `${stem}.tar`) };
}

/** Which index of an archive: binary packages or source packages. */
export type IndexKind = "Packages" | "Sources";

/**
 * Debian's archive through apt, with the sources that this machine is configured for (and their source packages) but
 * with lists, cache and state of our own, so that nothing of the system's changes.
 */
export class DebianArchive {
  readonly #options: readonly string[];

  private constructor(options: readonly string[]) {
    this.#options = options;
  }

  /** Fetches the lists once. @throws PackagesUnavailable without apt, lists or network */
  static open(): DebianArchive {
    const root = fetchedOnce("apt", (target) => {
      for (const name of ["state/lists/partial", "cache/archives/partial"])
        mkdirSync(join(target, name), { recursive: true });
      writeFileSync(join(target, "sources.list"), configuredSources());
      // Without this apt calls it a success when nothing could be fetched.
      call("apt-get", [...privateOptions(target), "-qq", "--error-on=any", "update"]);
    });
    return new DebianArchive(privateOptions(root));
  }

  /** The .deb of one version; undefined if the archive no longer has it. */
  binary(name: string, version: string): string | undefined {
    return this.#fetch(["download"], name, version)?.[0];
  }

  /** Source tarballs, patches and description of one version, undefined if the archive no longer has all of them. */
  source(name: string, version: string): readonly string[] | undefined {
    return this.#fetch(["source", "--download-only"], name, version);
  }

  /** Stanzas of an index of the suites whose code names end so ("" the main one, "-security"), as published. */
  stanzas(kind: IndexKind, suite: string): readonly string[] {
    const words = ["indextargets", "Origin: Debian", `Created-By: ${kind}`, "--format", "$(CODENAME) $(FILENAME)"];
    const lists = call("apt-get", [...this.#options, ...words])
      .trim()
      .split("\n");
    const file = lists.map((line) => line.split(" ")).find(([name]) => /^[a-z]+(.*)$/.exec(name!)?.[1] === suite)?.[1];
    if (file === undefined) throw new PackagesUnavailable(`apt has no ${kind} of a suite ending in "${suite}"`);
    const text = call("/usr/lib/apt/apt-helper", ["cat-file", file]);
    return text.split("\n\n").filter((stanza) => stanza.trim() !== "");
  }

  #fetch(command: readonly string[], name: string, version: string): readonly string[] | undefined {
    const kind = command[0] === "source" ? "deb-src" : "deb";
    try {
      const directory = fetchedOnce(join(kind, `${name}=${version}`), (target) => {
        call("apt-get", [...this.#options, "-qq", ...command, `${name}=${version}`], target);
      });
      return readdirSync(directory)
        .sort()
        .map((file) => join(directory, file));
    } catch (error) {
      if (error instanceof PackagesUnavailable) return undefined;
      throw error;
    }
  }
}

/** Whatever apt is configured for of Debian, binary and source. */
function configuredSources(): string {
  const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
  const option = existsSync(keyring) ? ` [signed-by=${keyring}]` : "";
  const lines = ["deb", "deb-src"].map((type) =>
    call("apt-get", [
      "indextargets",
      "Origin: Debian",
      "Created-By: Packages",
      "--format",
      `${type}${option} $(REPO_URI) $(CODENAME) $(COMPONENT)`,
    ]),
  );
  const list = [...new Set(lines.join("").split("\n"))].filter((line) => line !== "").join("\n");
  if (list === "") throw new PackagesUnavailable("apt has no lists of Debian's archive: run apt-get update once");
  return `${list}\n`;
}

function privateOptions(directory: string): readonly string[] {
  const settings = {
    "Dir::Etc::sourcelist": join(directory, "sources.list"),
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::State": join(directory, "state"),
    "Dir::State::status": "/var/lib/dpkg/status",
    "Dir::Cache": join(directory, "cache"),
    "APT::Sandbox::User": "root",
    "Acquire::Retries": "1",
    "Acquire::http::Timeout": "20",
  };
  return Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
}

/** A directory of the cache that `fill` makes if it is not there yet; a half-filled one is never seen. */
function fetchedOnce(name: string, fill: (directory: string) => void): string {
  const directory = join(cacheDirectory, name);
  if (existsSync(directory)) return directory;
  const parent = dirname(directory);
  mkdirSync(parent, { recursive: true });
  const scratch = join(parent, `.new-${process.pid}-${basename(directory)}`);
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch);
  try {
    fill(scratch);
    renameSync(scratch, directory);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return directory;
}

function call(command: string, words: readonly string[], cwd?: string): string {
  try {
    return execFileSync(command, words, {
      cwd,
      encoding: "latin1",
      env: { ...process.env, LC_ALL: "C" },
      maxBuffer: 2 ** 28,
      timeout: PATIENCE_MS,
      stdio: ["ignore", "pipe", "pipe"],
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split("\n").slice(0, 3).join(" ") : String(cause);
    throw new PackagesUnavailable(reason, { cause });
  }
}

/** First byte of a name's SHA-256: a way to split names into reproducible shares. */
export function nameBucket(name: string, buckets: number): number {
  return createHash("sha256").update(name, "latin1").digest()[0]! % buckets;
}
