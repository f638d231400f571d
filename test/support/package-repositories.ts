import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { run } from "./program.ts";
import { randomBytesOf } from "./sample-tree.ts";

/** A repository of a distribution inside a tree. */
export interface PackageRepository {
  /** Path in the tree. */
  readonly path: string;
  /** Packages to be installed by name; none needs another one. */
  readonly packages: readonly string[];
}

/** In Debian 12, without dependencies, and each above the size below which central serves files itself. */
const DEBIAN_PACKAGES = ["publicsuffix", "media-types", "xkb-data"];
/** What makes the repositories. */
const MAKERS = ["apt-ftparchive", "dpkg-deb", "gpg", "rpmbuild", "createrepo_c", "repo-add"];
/** Of Debian's archive: one that can't be reached is given up soon. */
const FETCHING = [
  "-qq",
  "-o",
  "Acquire::Retries=1",
  "-o",
  "Acquire::http::Timeout=10",
  "-o",
  "APT::Sandbox::User=root",
];

/** Why repositories can't be made here; undefined if they can. */
export function whyNoRepositories(): string | undefined {
  const missing = MAKERS.filter((name) => !existsSync(`/usr/bin/${name}`));
  return missing.length > 0 ? `needs ${missing.join(", ")}` : undefined;
}

/**
 * Packages of Debian's archive, or else of our own, with signed indexes of our own.
 * @param keyring will hold the throw-away key that signed them
 */
export async function makeDebianRepository(tree: string, keyring: string): Promise<PackageRepository> {
  const root = join(tree, "debian");
  const pool = join(root, "pool/main");
  const index = join(root, "dists/stable/main/binary-all");
  for (const directory of [pool, index]) mkdirSync(directory, { recursive: true });
  const packages = (await fetchFromDebian(pool)) ?? (await buildDebianPackages(pool));
  const listed = await run("sh", ["-c", `cd '${root}' && apt-ftparchive packages pool/main`]);
  writeFileSync(join(index, "Packages"), listed);
  writeFileSync(join(index, "Packages.gz"), gzipSync(listed));
  const facts = { Codename: "stable", Suite: "stable", Components: "main", Architectures: "all" };
  const words = Object.entries(facts).flatMap(([key, value]) => ["-o", `APT::FTPArchive::Release::${key}=${value}`]);
  const release = await run("apt-ftparchive", [...words, "release", join(root, "dists/stable")]);
  writeFileSync(join(root, "dists/stable/Release"), release);
  await signRelease(join(root, "dists/stable"), keyring);
  return { path: "debian", packages };
}

/** Undefined without Debian's lists (`apt-get update`), with lists that are too old, and where its archive can't be reached. */
async function fetchFromDebian(pool: string): Promise<readonly string[] | undefined> {
  try {
    await run("sh", ["-c", 'cd "$0" && exec "$@"', pool, "apt-get", ...FETCHING, "download", ...DEBIAN_PACKAGES]);
    return DEBIAN_PACKAGES;
  } catch (error) {
    console.warn(`apt-get gets packages made here instead of Debian's own: ${String(error)}`);
    for (const name of readdirSync(pool)) rmSync(join(pool, name), { recursive: true });
    return undefined;
  }
}

async function buildDebianPackages(pool: string): Promise<readonly string[]> {
  const packages = ["epsilon", "zeta"];
  const work = mkdtempSync(join(tmpdir(), "prsync-dpkg-"));
  for (const [index, name] of packages.entries()) {
    const parts = join(work, name);
    for (const directory of ["DEBIAN", "usr/share"]) mkdirSync(join(parts, directory), { recursive: true });
    // dpkg-deb wants it readable by all.
    chmodSync(join(parts, "DEBIAN"), 0o755);
    const facts = {
      Package: name,
      Version: "1",
      Architecture: "all",
      Maintainer: "nobody",
      Description: "random bytes",
    };
    const lines = Object.entries(facts).map(([key, value]) => `${key}: ${value}\n`);
    writeFileSync(join(parts, "DEBIAN/control"), lines.join(""));
    writeFileSync(join(parts, "usr/share", name), randomBytesOf(300 + index, 300_000));
    await run("dpkg-deb", ["--root-owner-group", "--build", parts, join(pool, `${name}_1_all.deb`)]);
  }
  rmSync(work, { recursive: true });
  return packages;
}

async function signRelease(directory: string, keyring: string): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), "prsync-gpg-"));
  const gpg = ["--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""];
  try {
    await run("gpg", [...gpg, "--quick-generate-key", "archive@example.org", "ed25519", "sign"]);
    await run("gpg", [...gpg, "--clearsign", "--output", join(directory, "InRelease"), join(directory, "Release")]);
    await run("gpg", [...gpg, "--export", "--output", keyring]);
  } finally {
    await run("gpgconf", ["--homedir", home, "--kill", "all"]);
    rmSync(home, { recursive: true });
  }
}

/** Packages that rpmbuild made, with the indexes of createrepo_c. */
export async function makeRpmRepository(tree: string): Promise<PackageRepository> {
  const root = join(tree, "rpm");
  const packages = ["alpha", "beta"];
  const work = mkdtempSync(join(tmpdir(), "prsync-rpmbuild-"));
  mkdirSync(root);
  for (const [index, name] of packages.entries()) {
    writeFileSync(join(work, name), randomBytesOf(100 + index, 300_000));
    writeFileSync(join(work, `${name}.spec`), specOf(name, join(work, name)));
    await run("rpmbuild", [
      "-bb",
      "--quiet",
      "-D",
      `_topdir ${work}`,
      "-D",
      `_rpmdir ${root}`,
      join(work, `${name}.spec`),
    ]);
  }
  rmSync(work, { recursive: true });
  await run("createrepo_c", ["--quiet", root]);
  return { path: "rpm", packages };
}

function specOf(name: string, payload: string): string {
  return [
    `Name: ${name}`,
    "Version: 1",
    "Release: 1",
    "Summary: a package to be fetched",
    "License: MIT",
    "BuildArch: noarch",
    "%description",
    "Random bytes.",
    "%install",
    `install -D -m 644 ${payload} %{buildroot}/usr/share/${name}/payload`,
    "%files",
    `/usr/share/${name}/payload`,
    "",
  ].join("\n");
}

/** Packages of Arch Linux's format with the database of repo-add. */
export async function makePacmanRepository(tree: string): Promise<PackageRepository> {
  const root = join(tree, "arch");
  const packages = ["gamma", "delta"];
  const work = mkdtempSync(join(tmpdir(), "prsync-pacman-"));
  mkdirSync(root);
  for (const [index, name] of packages.entries()) {
    const parts = join(work, name);
    mkdirSync(join(parts, "usr/share"), { recursive: true });
    writeFileSync(join(parts, "usr/share", name), randomBytesOf(200 + index, 300_000));
    writeFileSync(join(parts, ".PKGINFO"), `pkgname = ${name}\npkgver = 1-1\npkgdesc = random bytes\narch = any\n`);
    await run("tar", ["-C", parts, "--zstd", "-cf", join(root, `${name}-1-1-any.pkg.tar.zst`), ".PKGINFO", "usr"]);
  }
  rmSync(work, { recursive: true });
  const files = readdirSync(root).map((name) => join(root, name));
  await run("repo-add", ["--quiet", "--nocolor", join(root, "extra.db.tar.gz"), ...files]);
  return { path: "arch", packages };
}
