import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { blockLengthFor } from "../../src/delta/block-length.ts";
import { findMatches } from "../../src/delta/find-matches.ts";
import { PlainMatchSearch } from "../../src/delta/plain-match-search.ts";
import { SignatureBuilder } from "../../src/delta/signature-builder.ts";
import { parseSignature } from "../../src/delta/signature.ts";
import { loadStrongSum } from "../../src/delta/strong-sum.ts";
import { memoryBasis } from "../unit/delta/edited-content.ts";
import { LoopbackCentral, type Synced } from "../support/loopback-central.ts";
import { hasRsync, rsyncDifferences } from "../support/rsync-referee.ts";
import { randomBytesOf } from "../support/sample-tree.ts";

const IMAGE_BYTES = 4_000_000;
const PACKAGE_BYTES = 3_000_000;

describe.skipIf(!hasRsync())("files that moved and changed, and packages built more than once", () => {
  let central: LoopbackCentral;
  /** Bytes of a sync that changes nothing large: trust, change list, announce. */
  let fixedBytes = 0;

  beforeAll(async () => {
    central = new LoopbackCentral("alike");
    put("images/in-place.img", randomBytesOf(1, IMAGE_BYTES));
    put("images/moves.img", randomBytesOf(2, IMAGE_BYTES));
    const first = packageOf(1);
    put("debian/pool/t/tool/tool_1.0-1_amd64.tar", first);
    put("debian/pool/t/tool/tool_0.9-1_amd64.tar", edited(first, { seed: 90, edits: 400 }));
    put("debian/pool/o/other/other_1.0-1_amd64.tar", packageOf(7));
    await central.publish();
    await central.serve();
    await central.sync("mirror");
    put("note", "small");
    fixedBytes = (await nextRelease()).bytes.received;
  }, 180_000);

  afterAll(async () => central[Symbol.asyncDispose]());

  test("a file that moved and changed costs at most 1.1 times the same change in place", async () => {
    put("images/in-place.img", edited(read("images/in-place.img"), { seed: 3, edits: 10 }));
    const inPlace = await nextRelease();
    const changed = edited(read("images/moves.img"), { seed: 4, edits: 10 });
    rmSync(join(central.tree, "images/moves.img"));
    put("archive/2026/elsewhere.raw", changed);
    const moved = await nextRelease();
    console.log(`changed in place: ${inPlace.bytes.received} bytes; moved and changed: ${moved.bytes.received}`);
    expect(inPlace.files.delta + moved.files.delta).toBe(2);
    expect(moved.bytes.received).toBeLessThan(1.1 * inPlace.bytes.received);
    expect(moved.bytes.received).toBeLessThan(IMAGE_BYTES / 10);
  });

  test("with --delta-size swarm whole pieces at their place are kept, without a signature", async () => {
    const image = read("images/in-place.img");
    image.fill(7, 1_000_000, 1_000_100);
    put("images/in-place.img", image);
    await central.publish();
    const { bytes, files } = await central.sync("mirror", ["--delete", "--delta-size", "swarm"]);
    expect(files.delta).toBe(1);
    expect(bytes.fromPeers + bytes.fromOrigin).toBeGreaterThan(65_536);
    expect(bytes.fromPeers + bytes.fromOrigin).toBeLessThan(2 * 65_536);
    expect(await rsyncDifferences(central.tree, central.mirror("mirror"), true)).toBe("");
  });

  test("the third distribution of a package costs at most 1.2 times what an oracle pays that knows the best basis", async () => {
    const second = edited(read("debian/pool/t/tool/tool_1.0-1_amd64.tar"), { seed: 20, edits: 30 });
    put("ubuntu/universe/tool-1.0-1ubuntu1.pkg", second);
    await nextRelease();
    const third = edited(second, { seed: 30, edits: 12 });
    const oracle = await oracleBytes(third, [
      read("debian/pool/t/tool/tool_1.0-1_amd64.tar"),
      read("debian/pool/t/tool/tool_0.9-1_amd64.tar"),
      read("debian/pool/o/other/other_1.0-1_amd64.tar"),
      second,
    ]);
    put("mint/x86_64/tool.bin", third);
    const { bytes } = await nextRelease();
    const cost = bytes.received - fixedBytes;
    console.log(`third distribution: ${cost} bytes beside ${fixedBytes} of any sync; an oracle ${oracle}`);
    expect(oracle).toBeLessThan(PACKAGE_BYTES / 20);
    expect(cost).toBeLessThan(1.2 * oracle);
    expect(await rsyncDifferences(central.tree, central.mirror("mirror"), true)).toBe("");
  });

  test("a compressed package of another version is fetched whole, without its signature", async () => {
    put("debian/pool/t/tool/tool_1.0-1_amd64.deb", randomBytesOf(50, 1_000_000));
    await nextRelease();
    renameSync(
      join(central.tree, "debian/pool/t/tool/tool_1.0-1_amd64.deb"),
      join(central.tree, "debian/pool/t/tool/tool_1.0-2_amd64.deb"),
    );
    put("debian/pool/t/tool/tool_1.0-2_amd64.deb", randomBytesOf(51, 1_000_000));
    const { bytes, files } = await nextRelease();
    console.log(
      `compressed package of another version: ${bytes.metadata} bytes of metadata, ${fixedBytes} of any sync`,
    );
    expect(files).toMatchObject({ delta: 0, fetched: 1 });
    // A signature of 1 MB has 7 kB; sketch and content table have less than 1 kB with their heads.
    expect(bytes.metadata - fixedBytes).toBeLessThan(3_000);
  });

  function put(path: string, bytes: string | Uint8Array): void {
    mkdirSync(dirname(join(central.tree, path)), { recursive: true });
    writeFileSync(join(central.tree, path), bytes);
  }

  function read(path: string): Buffer {
    return readFileSync(join(central.tree, path));
  }

  async function nextRelease(): Promise<Synced> {
    await central.publish();
    return await central.sync("mirror");
  }
});

function packageOf(seed: number): Buffer {
  return randomBytesOf(1_000 * seed, PACKAGE_BYTES);
}

/** Overwrites, inserts and deletes some bytes at places all over. */
function edited(bytes: Buffer, { seed, edits }: { readonly seed: number; readonly edits: number }): Buffer {
  const parts: Buffer[] = [];
  const step = Math.floor(bytes.length / edits);
  for (let edit = 0; edit < edits; edit++) {
    const part = bytes.subarray(edit * step, edit === edits - 1 ? bytes.length : (edit + 1) * step);
    const cut = (seed * 7_919 + edit * 104_729) % (part.length - 100);
    const added = randomBytesOf(seed * 1_000 + edit, (edit % 3) * 40);
    parts.push(part.subarray(0, cut), added, part.subarray(cut + 50));
  }
  return Buffer.concat(parts);
}

/** Signature, literal bytes and one request (30 bytes) per run of them, from whichever basis file alone costs least. */
async function oracleBytes(target: Buffer, bases: readonly Buffer[]): Promise<number> {
  const strongSum = await loadStrongSum();
  const builder = new SignatureBuilder(target.length, strongSum, {
    blockLength: blockLengthFor(target.length, "sqrt"),
  });
  builder.update(target);
  const encoded = builder.digest();
  const signature = parseSignature(encoded, target.length);
  const costs = bases.map((basis) => {
    const { covered } = findMatches(new PlainMatchSearch(signature, strongSum), [memoryBasis(basis)]);
    const missing = [...covered.missingIn(0, target.length)];
    return missing.reduce((sum, { start, end }) => sum + end - start + 30, encoded.length);
  });
  return Math.min(...costs);
}
