import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseBundleList } from "../../../src/manifest/bundle-list.ts";
import { parseChangeList } from "../../../src/manifest/change-list.ts";
import { parseChunk } from "../../../src/manifest/chunk.ts";
import { ContentTable } from "../../../src/manifest/content-table.ts";
import { parseIndex } from "../../../src/manifest/manifest-index.ts";
import { parseRelease } from "../../../src/manifest/release.ts";
import { extractInfo, parseInfoDictionary } from "../../../src/manifest/torrent.ts";
import { codeOf } from "./arbitrary-entry.ts";

const formats: [string, (bytes: Uint8Array) => unknown][] = [
  ["chunk.jsonl", parseChunk],
  ["index.jsonl", parseIndex],
  ["change-list.jsonl", parseChangeList],
  ["bundle-list.jsonl", parseBundleList],
  ["content-table.bin", (bytes) => ContentTable.parse(bytes)],
  ["release.json", parseRelease],
  ["info.bencode", parseInfoDictionary],
  ["info.bencode", extractInfo],
];

function golden(name: string): Buffer {
  return readFileSync(new URL(`../../../fixtures/manifest/${name}`, import.meta.url));
}

// codeOf passes every other error on, so that it fails the test.

test.each(formats)("%s: random bytes throw the folder's error only", (_, parse) => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void codeOf(() => parse(bytes))));
});

test.each(formats)("%s: random JSON lines throw the folder's error only", (_, parse) => {
  fc.assert(
    fc.property(
      fc.array(fc.json()),
      (lines) => void codeOf(() => parse(Buffer.from(lines.map((l) => `${l}\n`).join("")))),
    ),
  );
});

test.each(formats)("%s: known keys with random values throw the folder's error only", (name, parse) => {
  const lines = golden(name)
    .toString("latin1")
    .split("\n")
    .filter((line) => line.startsWith("{"));
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.jsonValue(), (which, key, value) => {
      const changed = lines.map((line, i) => {
        const fields = Object.entries(JSON.parse(line) as Record<string, unknown>);
        if (i === which % lines.length) fields[key % fields.length]![1] = value;
        return `${JSON.stringify(Object.fromEntries(fields))}\n`;
      });
      void codeOf(() => parse(Buffer.from(changed.join(""))));
    }),
    { numRuns: 500 },
  );
});

test.each(formats)("%s: flipped and inserted bytes throw the folder's error only", (name, parse) => {
  const bytes = golden(name);
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.boolean(), (at, value, isInserted) => {
      const changed = Buffer.concat([
        bytes.subarray(0, at),
        Buffer.of(value),
        bytes.subarray(isInserted ? at : at + 1),
      ]);
      void codeOf(() => parse(changed));
    }),
    { numRuns: 1000 },
  );
});

test.each(formats)("%s: cut off inside a line or record it is refused", (name, parse) => {
  const bytes = golden(name);
  for (let length = 1; length < bytes.length; length++) {
    const isWhole = name.endsWith(".jsonl") ? bytes[length - 1] === 0x0a : name.endsWith(".bin") && length % 40 === 0;
    const code = codeOf(() => parse(bytes.subarray(0, length)));
    expect(code === "none", `${name} cut at ${length}: ${code}`).toBe(isWhole);
  }
});
