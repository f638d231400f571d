import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type Marks,
  type ObservedState,
  MAX_JUMP,
  checkClock,
  checkSameRepository,
  encodeMarks,
  parseMarks,
  raiseMarks,
} from "../../../src/trust/marks.ts";

const base: ObservedState = {
  repository: "0123456789abcdef0123456789abcdef",
  rootFingerprint: "ab".repeat(32),
  rootVersion: 3,
  timestamp: { keyIds: ["t1"], threshold: 1, version: 70, createdMs: 1_000_000_000 },
  snapshot: { keyIds: ["s1"], threshold: 1, version: 20 },
  targets: { keyIds: ["r1", "r2", "r3"], threshold: 2, version: 10, release: 9, releaseSha256: "cd".repeat(32) },
};

const marks = raiseMarks(undefined, base);
const code = (expected: string): unknown => expect.objectContaining({ code: expected });

test("the first state is taken, the same state again changes nothing", () => {
  expect(raiseMarks(marks, base)).toEqual(marks);
  expect(parseMarks(encodeMarks(marks))).toEqual(marks);
});

test.each([
  ["root", { rootVersion: 2 }],
  ["timestamp", { timestamp: { ...base.timestamp, version: 69 } }],
  ["snapshot", { snapshot: { ...base.snapshot, version: 19 } }],
  ["targets", { targets: { ...base.targets, version: 9 } }],
  ["release", { targets: { ...base.targets, release: 8 } }],
  ["bytes of the same release", { targets: { ...base.targets, releaseSha256: "ef".repeat(32) } }],
])("a fall of the %s is a rollback", (_, change) => {
  expect(() => raiseMarks(marks, { ...base, ...change })).toThrow(code("rollback"));
});

test.each(["timestamp", "snapshot", "targets"] as const)(
  "a leap of the %s beyond 2^32 is refused, up to it taken",
  (role) => {
    const at = (version: number): ObservedState => ({ ...base, [role]: { ...base[role], version } });
    expect(raiseMarks(marks, at(base[role].version + MAX_JUMP))[role].version).toBe(base[role].version + MAX_JUMP);
    expect(() => raiseMarks(marks, at(base[role].version + MAX_JUMP + 1))).toThrow(code("fast-forward"));
    expect(() => raiseMarks(undefined, at(MAX_JUMP + 1))).toThrow(code("fast-forward"));
  },
);

test("a mark falls only when the old keys can no longer reach the threshold", () => {
  const targets = (keyIds: string[], threshold: number): ObservedState => {
    return { ...base, targets: { ...base.targets, keyIds, threshold, version: 1, release: 1 } };
  };
  expect(raiseMarks(marks, targets(["n1", "n2", "r3"], 2)).targets.release).toBe(1);
  expect(raiseMarks(marks, targets(["n1"], 1)).targets.keyIds).toEqual(["n1"]);
  for (const [keyIds, threshold] of [
    [["n1", "r2", "r3"], 2],
    [["n1", "r3"], 1],
    [["r1", "r2", "r3", "n1"], 2],
  ] as const) {
    expect(() => raiseMarks(marks, targets([...keyIds], threshold))).toThrow(code("rollback"));
  }
  // The keys of one role say nothing about another.
  const other = {
    ...base,
    timestamp: { ...base.timestamp, keyIds: ["t2"], version: 1 },
    snapshot: { ...base.snapshot, version: 1 },
  };
  expect(() => raiseMarks(marks, other)).toThrow(code("rollback"));
});

test("marks of another repository or root are not compared", () => {
  expect(() => checkSameRepository(marks, { ...base, repository: "f".repeat(32) })).toThrow(code("wrong-repository"));
  expect(() => raiseMarks(marks, { ...base, rootFingerprint: "00".repeat(32) })).toThrow(code("wrong-repository"));
  checkSameRepository(undefined, base);
});

test("the clock may be an hour behind the newest signature, not more; the newest never falls", () => {
  checkClock(marks, 1_000_000_000 - 3_600_000);
  expect(() => checkClock(marks, 1_000_000_000 - 3_600_001)).toThrow(code("clock-behind"));
  const older = raiseMarks(marks, { ...base, timestamp: { ...base.timestamp, version: 71, createdMs: 5 } });
  expect(older.timestamp.createdMs).toBe(1_000_000_000);
});

test("marks never fall under one set of keys, whatever is observed", () => {
  const states = fc.array(
    fc.record({ timestamp: fc.nat(9), snapshot: fc.nat(9), targets: fc.nat(9), release: fc.nat(9) }),
  );
  fc.assert(
    fc.property(states, (sequence) => {
      let current: Marks | undefined;
      for (const seen of sequence) {
        const before = current;
        try {
          current = raiseMarks(current, {
            ...base,
            timestamp: { ...base.timestamp, version: seen.timestamp },
            snapshot: { ...base.snapshot, version: seen.snapshot },
            targets: { ...base.targets, version: seen.targets, release: seen.release },
          });
        } catch (error) {
          expect(error).toMatchObject({ code: "rollback" });
        }
        expect(current?.targets.release ?? 0).toBeGreaterThanOrEqual(before?.targets.release ?? 0);
        expect(current?.timestamp.version ?? 0).toBeGreaterThanOrEqual(before?.timestamp.version ?? 0);
      }
    }),
  );
});

test("marks cut at every byte are damaged, never believed", () => {
  const bytes = encodeMarks(marks);
  for (let length = 0; length < bytes.length - 2; length++) {
    expect(() => parseMarks(bytes.subarray(0, length))).toThrow(code("damaged-state"));
  }
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(() => parseMarks(Buffer.from(text))).toThrow(code("damaged-state"));
    }),
  );
});
