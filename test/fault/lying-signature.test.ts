import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { loadStrongSum } from "../../src/delta/strong-sum.ts";
import { CentralFixture } from "../support/central-fixture.ts";
import { randomBytesOf } from "../support/sample-tree.ts";
import { TamperingProxy, type Tamper } from "../support/tampering-proxy.ts";
import { sign } from "../unit/delta/edited-content.ts";
import { MirrorFixture, sync } from "../unit/edge/mirror-fixture.ts";

const LENGTH = 300_000;
const FIRST_SUM = 32;
const strong = await loadStrongSum();

/** Block signatures as an enemy, a bug or a bad disk would have them. */
const LIES: Readonly<Record<string, Tamper>> = {
  "of other bytes": () => sign(randomBytesOf(9, LENGTH), strong, { blockLength: 700 }),
  "that claims old bytes for new ones": () => sign(randomBytesOf(1, LENGTH), strong, { blockLength: 700 }),
  "with sums of noise": (body) =>
    Buffer.concat([body.subarray(0, FIRST_SUM), randomBytesOf(3, body.length - FIRST_SUM)]),
  "whose sums are all the same": (body) => Buffer.from(body).fill(0, FIRST_SUM),
  "cut off": (body) => body.subarray(0, -3),
  "of nothing": () => new Uint8Array(0),
  "with blocks of 4 GiB": (body) => withNumber(body, 6, 0xffffffff),
  "with blocks of no length": (body) => withNumber(body, 6, 0),
  "of 2^60 bytes": (body) => withNumber(body, 10, 2 ** 28),
  "of another format": (body) => withNumber(body, 4, 0x63_02_00_00),
  "that is not there": () => undefined,
};

test("whatever a signature says, the files are central's; lies cost bytes", async () => {
  const central = new CentralFixture();
  const names = Object.keys(LIES);
  for (const [i, name] of names.entries()) central.write(name, content(i, 1));
  await central.publish();
  const program = await central.serve();
  await using proxy = await TamperingProxy.start(program.httpUrl);
  const fixture = new MirrorFixture(central, "mirror", proxy.url);
  const mirror = await fixture.open();
  await sync(mirror);
  for (const [i, name] of names.entries()) central.write(name, content(i, 2), 800_000_000);
  await central.publish();
  const lies = Object.values(LIES);
  proxy.replace(/\/signatures$/, (body) => inEachRecord(body, (signature) => lies.shift()!(signature)));
  const { summary, failures } = await sync(mirror);
  expect(failures).toEqual([]);
  expect(lies).toEqual([]);
  for (const [i, name] of names.entries()) expect(readFileSync(fixture.at(name)).equals(content(i, 2))).toBe(true);
  expect(summary.bytes.received).toBeGreaterThan((names.length - 1) * LENGTH);
  expect(summary.bytes.received).toBeLessThan((names.length + 2) * LENGTH);
});

/** Some bytes of the second version are new, at both ends of each file. */
function content(file: number, version: number): Buffer {
  const bytes = Buffer.concat([randomBytesOf(1, LENGTH - 8), Buffer.from([file, 0, 0, 0, 0, 0, 0, version])]);
  bytes[0] = file;
  bytes[1] = version;
  return bytes;
}

/** An answer has for each content its length, 0 if there is none, and its signature. */
function inEachRecord(body: Buffer, tamper: Tamper): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let start = 0; start < body.length;) {
    const length = body.readUInt32BE(start);
    const signature = tamper(body.subarray(start + 4, start + 4 + length)) ?? new Uint8Array(0);
    const head = Buffer.alloc(4);
    head.writeUInt32BE(signature.length);
    parts.push(head, signature);
    start += 4 + length;
  }
  return Buffer.concat(parts);
}

function withNumber(body: Buffer, offset: number, value: number): Uint8Array {
  const changed = Buffer.from(body);
  changed.writeUInt32BE(value >>> 0, offset);
  return changed;
}
