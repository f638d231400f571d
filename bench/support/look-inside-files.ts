import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { cacheDirectory } from "./delta-pairs.ts";
import { DebianArchive, npmPackage } from "./real-packages.ts";

/** A compressed file and, where there is one, the version before it: paths. */
export interface CompressedFile {
  readonly file: string;
  readonly before?: string;
}

export interface CompressedFormat {
  readonly name: string;
  readonly files: readonly CompressedFile[];
  /** What is inside, one after the other. */
  readonly unpack: (file: string) => Buffer;
  /** Compressors of which one may have made it, as commands that read what is inside; for the formats that zlib can't give. */
  readonly commands: readonly string[];
}

const PACKAGES: readonly (readonly [name: string, before: string, version: string])[] = [
  ["typescript", "5.9.2", "5.9.3"],
  ["react-dom", "19.1.0", "19.1.1"],
  ["webpack", "5.100.0", "5.100.1"],
  ["vite", "7.1.0", "7.1.1"],
  ["express", "5.0.1", "5.1.0"],
  ["lodash", "4.17.20", "4.17.21"],
];
const DEBS: readonly (readonly [name: string, before: string, version: string])[] = [
  ["libssl3", "3.0.20-1~deb12u2", "3.0.22-1~deb12u2"],
  ["openssl", "3.0.20-1~deb12u2", "3.0.22-1~deb12u2"],
  ["bind9-libs", "1:9.18.49-1~deb12u1", "1:9.18.49-1~deb12u3"],
  ["git", "1:2.39.5-0+deb12u2", "1:2.39.5-0+deb12u3"],
];
const SOURCES: readonly (readonly [name: string, before: string | undefined, version: string])[] = [
  ["openssl", "3.0.17-1~deb12u2", "3.0.20-1~deb12u2"],
  ["nginx", undefined, "1.22.1-9+deb12u10"],
  ["curl", undefined, "7.88.1-10+deb12u15"],
];
const ARCHIVE = "http://deb.debian.org";
const INDEXES = [
  "debian/dists/bookworm/main/binary-amd64/Packages.gz",
  "debian-security/dists/bookworm-security/main/binary-amd64/Packages.gz",
];
const IMAGES = ["debian/dists/bookworm/main/installer-amd64/current/images/netboot/debian-installer/amd64/initrd.gz"];
const GZIP_COMMANDS = ["gzip -9n", "gzip -6n"];
const XZ_COMMANDS = ["xz -6 -T2", "xz -6 -T1"];

/** Real files of the npm registry and Debian's archive, fetched once by npm and apt; what can't be had is left out. */
export function compressedFormats(): CompressedFormat[] {
  const archive = DebianArchive.open();
  const gz = { unpack: (file: string) => gunzipSync(readFileSync(file)), commands: GZIP_COMMANDS };
  const tgz = PACKAGES.map(([name, before, version]) => ({
    file: npmPackage(name, version).tgz,
    before: npmPackage(name, before).tgz,
  }));
  const debs = DEBS.flatMap(([name, before, version]) =>
    pairOf(archive.binary(name, version), archive.binary(name, before)),
  );
  const sources = SOURCES.flatMap(([name, before, version]) => {
    const tarOf = (v: string): string | undefined =>
      archive.source(name, v)?.find((file) => file.endsWith(".orig.tar.gz"));
    return pairOf(tarOf(version), before === undefined ? undefined : tarOf(before));
  });
  return [
    { name: "tgz (npm)", files: tgz, ...gz },
    { name: "source gz (orig.tar.gz)", files: sources, ...gz },
    { name: "index (Packages.gz)", files: INDEXES.flatMap(archiveFile), ...gz },
    { name: "image (initrd.gz)", files: IMAGES.flatMap(archiveFile), ...gz },
    { name: "deb (data.tar.xz)", files: debs, unpack: dataOfDeb, commands: XZ_COMMANDS },
  ];
}

function pairOf(file: string | undefined, before: string | undefined): CompressedFile[] {
  if (file === undefined) return [];
  return [before === undefined ? { file } : { file, before }];
}

function archiveFile(path: string): CompressedFile[] {
  const directory = join(cacheDirectory, "archive");
  const file = join(directory, path.replaceAll("/", "_"));
  if (existsSync(file)) return [{ file }];
  mkdirSync(directory, { recursive: true });
  try {
    execFileSync("/usr/lib/apt/apt-helper", ["download-file", `${ARCHIVE}/${path}`, file], { stdio: "ignore" });
    return [{ file }];
  } catch (error) {
    console.error(`not to be had: ${basename(path)}: ${String(error)}`);
    return [];
  }
}

function dataOfDeb(file: string): Buffer {
  return execFileSync("dpkg-deb", ["--fsys-tarfile", file], { maxBuffer: 2 ** 31 });
}

/** The member data.tar.* of a .deb as it lies there. */
export function packedDataOfDeb(file: string): Buffer {
  const name = execFileSync("ar", ["t", file], { encoding: "utf8" })
    .split("\n")
    .find((member) => member.startsWith("data.tar"));
  return execFileSync("ar", ["p", file, name!], { maxBuffer: 2 ** 31 });
}

/** True if one of the commands makes exactly `packed` of `inner`; the header of a gzip file, which has its time, does not count. */
export function isMadeByCommand(commands: readonly string[], inner: Buffer, packed: Buffer): string | undefined {
  const scratch = join(cacheDirectory, "inner");
  writeFileSync(scratch, inner);
  return commands.find((command) => {
    const made = execFileSync("bash", ["-c", `${command} -c < "$0"`, scratch], { maxBuffer: 2 ** 31 });
    return made.subarray(-BODY_SLACK).equals(packed.subarray(-BODY_SLACK)) && sameBody(made, packed);
  });
}

const BODY_SLACK = 64;

/** From the end to the headers, which may differ in length: by a name, for instance. */
function sameBody(made: Buffer, packed: Buffer): boolean {
  const length = Math.min(made.length, packed.length) - BODY_SLACK;
  if (Math.abs(made.length - packed.length) > BODY_SLACK || length < 0) return false;
  return made.subarray(made.length - length).equals(packed.subarray(packed.length - length));
}
