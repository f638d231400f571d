import { createHash } from "node:crypto";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runPrsyncJson } from "../../test/support/program.ts";
import { PublishIndex } from "../../src/store/publish-index.ts";
import { ROW_KIND } from "../../src/store/publish-index-schema.ts";
import { VolunteerRegistry } from "../../src/store/volunteer-registry.ts";
import { SigningKey } from "../../src/trust/signing-key.ts";
import { seededRandom } from "../../src/core/clock.ts";

/** Contents per bundle, as publish cuts them. */
export const BUNDLE_CONTENTS = 32_768;
/** The file that is really published; its bundle is number 1. */
const REAL_FILE = "real.bin";
const FIRST_FILLED_BUNDLE = 2;

/** A published repository whose index holds `contents` files more than its tree, none of them with bytes. */
export interface FilledRepository {
  readonly tree: string;
  readonly stateDirectory: string;
  readonly contents: number;
}

/** Path of a filled content: the same formula as in `redirect-paths.lua`. */
export function filledPath(index: number): string {
  return `pool/main/group-${Math.floor(index / 1000)}/package-${index}_1.0-1_amd64.deb`;
}

/**
 * Publishes a small tree for real (keys, TUF metadata, release 1) and then puts `contents` rows into the index that publish made:
 * what a redirect looks up is there, the bytes are not. About 30 s per million. Made once per directory.
 */
export async function fillRepository(directory: string, contents: number): Promise<FilledRepository> {
  const repository = { tree: join(directory, "tree"), stateDirectory: join(directory, "state"), contents };
  const done = join(directory, "filled");
  if (existsSync(done)) return repository;
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(repository.tree, { recursive: true });
  writeFileSync(join(repository.tree, REAL_FILE), Buffer.alloc(100_000, REAL_FILE));
  await runPrsyncJson(["publish", repository.tree, "--state", repository.stateDirectory]);
  using index = PublishIndex.openForWriting(`${repository.tree}.prsync`);
  index.transaction(() => insertContents(index, contents));
  // As publish leaves it: all in the file, nothing in the log.
  index.database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  writeFileSync(done, "");
  return repository;
}

function insertContents(index: PublishIndex, contents: number): void {
  const random = seededRandom(contents);
  const content = index.database.prepare(
    "INSERT INTO contents(id, sha256, size, bundle, ordinal, since_release) VALUES(?, ?, ?, ?, ?, 1)",
  );
  const entry = index.database.prepare(
    "INSERT INTO entries(path, kind, mode, mtime, size, content) VALUES(?, ?, ?, ?, ?, ?)",
  );
  const firstRow = 1 + Number(index.database.prepare("SELECT max(id) AS n FROM contents").get()!.n);
  for (let number = 0; number < contents; number++) {
    const path = Buffer.from(filledPath(number));
    const sizeBytes = 16_384 + Math.floor(1e6 * random());
    const bundle = FIRST_FILLED_BUNDLE + Math.floor(number / BUNDLE_CONTENTS);
    const row = firstRow + number;
    content.run(row, createHash("sha256").update(path).digest(), sizeBytes, bundle, number % BUNDLE_CONTENTS);
    entry.run(path, ROW_KIND.file, 0o644, "784111777000000000", sizeBytes, row);
  }
}

/** An enrolled volunteer that is a key and nothing else. */
export interface FleetMember {
  readonly name: string;
  readonly key: SigningKey;
}

/** Invites and enrols; those of an earlier run are taken over. */
export function enrolFleet(stateDirectory: string, count: number): readonly FleetMember[] {
  using registry = VolunteerRegistry.open(stateDirectory, Date.now);
  return Array.from({ length: count }, (_, number) => {
    const name = `mirror-${number}`;
    const key = SigningKey.fromSeed(createHash("sha256").update(name).digest());
    if (registry.byName(name) === undefined) {
      registry.invite(name);
      registry.enrol(name, key.publicKey);
    }
    return { name, key };
  });
}

/** Holdings of volunteer `number`: every fourth holds a random half of each bundle, the others release 1. */
export function holdingsOf(number: number, contents: number): object {
  if (number % 4 !== 3) return { base: 0, complete: 1 };
  const random = seededRandom(number);
  const bundles = Array.from({ length: Math.ceil(contents / BUNDLE_CONTENTS) }, (_, bundle) => {
    const size = Math.min(BUNDLE_CONTENTS, contents - bundle * BUNDLE_CONTENTS);
    const have = Buffer.alloc(Math.ceil(size / 8));
    for (let at = 0; at < have.length; at++) have[at] = Math.floor(256 * random());
    // Bits past the end must be 0.
    if (size % 8 !== 0) have[have.length - 1]! &= 0xff << (8 - (size % 8));
    return { number: FIRST_FILLED_BUNDLE + bundle, have: have.toString("base64") };
  });
  return { base: 0, bundles };
}
