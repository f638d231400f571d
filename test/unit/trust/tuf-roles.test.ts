import { Targets, TargetFile, Metadata } from "@tufjs/models";
import fc from "fast-check";
import { expect, test } from "vitest";
import { trustedRoots } from "../../../src/trust/root-chain.ts";
import { SigningKey } from "../../../src/trust/signing-key.ts";
import { releaseTargetOf } from "../../../src/trust/trusted-set.ts";
import { trustErrorOf } from "../../../src/trust/tuf-errors.ts";
import {
  buildRoot,
  buildTargets,
  isSignedFor,
  parseMetadata,
  signMetadata,
  tufKeyIdOf,
} from "../../../src/trust/tuf-roles.ts";

const keyOf = (seed: number): SigningKey => SigningKey.fromSeed(Buffer.alloc(32, seed));
const [root1, root2, targets1, online] = [keyOf(1), keyOf(2), keyOf(3), keyOf(4)];
const repository = "0123456789abcdef0123456789abcdef";
const release = { sha256: "ab".repeat(32), lengthBytes: 10 };

function root(version: number, keys: readonly SigningKey[], threshold = 1): ReturnType<typeof buildRoot> {
  const of = (publicKeys: readonly SigningKey[], needed = 1): { publicKeys: Uint8Array[]; threshold: number } => {
    return { publicKeys: publicKeys.map(({ publicKey }) => publicKey), threshold: needed };
  };
  const roles = { root: of(keys, threshold), targets: of([targets1]), snapshot: of([online]), timestamp: of([online]) };
  return buildRoot({ version, repository, expiresMs: Date.parse("2030-01-01T00:00:00Z"), roles });
}

test("a key id is the SHA-256 of the key's canonical JSON, as securesystemslib makes it", () => {
  // Of the key in python-tuf's documentation form: {"keytype":"ed25519","keyval":{"public":"00…"},"scheme":"ed25519"}
  expect(tufKeyIdOf(new Uint8Array(32))).toBe("7f7373360bc914a5d4a7bd87711615178beb6cf52494fcc49082ec65ba62908c");
});

test("a thousand bytes of noise are malformed metadata, never another error", () => {
  const roles = fc.constantFrom("root" as const, "targets" as const, "snapshot" as const, "timestamp" as const);
  fc.assert(
    fc.property(roles, fc.oneof(fc.json(), fc.string()), (role, text) => {
      expect(() => parseMetadata(role, Buffer.from(text))).toThrow(expect.objectContaining({ code: "malformed" }));
    }),
  );
});

test.each([0, -1, 1.5, 2 ** 53, "1", null])("the version %j is malformed", (version) => {
  const bytes = signMetadata(buildTargets(1, 0, release), [targets1]);
  const text = Buffer.from(bytes)
    .toString()
    .replace('"version":1', `"version":${JSON.stringify(version)}`);
  expect(() => parseMetadata("targets", Buffer.from(text))).toThrow(expect.objectContaining({ code: "malformed" }));
});

test("metadata of one role is not read as another", () => {
  const bytes = signMetadata(buildTargets(1, 0, release), [targets1]);
  expect(() => parseMetadata("snapshot", bytes)).toThrow(expect.objectContaining({ code: "malformed" }));
});

test("wrong, missing, foreign and repeated signatures do not count", () => {
  const two = root(1, [root1, root2], 2);
  const signed = (signers: readonly SigningKey[]): boolean =>
    isSignedFor(two, "root", parseMetadata("root", signMetadata(two, signers)));
  expect(signed([root1, root2])).toBe(true);
  expect([signed([]), signed([root1]), signed([root1, root1]), signed([root1, targets1])]).toEqual([
    false,
    false,
    false,
    false,
  ]);
});

test("a chain of roots is followed up to the first that does not fit", () => {
  const first = signMetadata(root(1, [root1]), [root1]);
  const second = signMetadata(root(2, [root2]), [root1, root2]);
  const third = signMetadata(root(3, [root2]), [root2]);
  const length = (...files: readonly Uint8Array[]): number => trustedRoots(files).length;
  expect(length(first, second, third)).toBe(3);
  expect(length()).toBe(0);
  expect(length(second)).toBe(0);
  expect(length(first, third)).toBe(1);
  expect(length(first, signMetadata(root(2, [root2]), [root2]), third)).toBe(1);
  expect(length(first, signMetadata(root(2, [root2]), [root1]), third)).toBe(1);
  expect(length(first, Buffer.alloc(0), third)).toBe(1);
});

test("a threshold above the number of keys can't be built", () => {
  expect(() => root(1, [root1], 2)).toThrow(expect.objectContaining({ code: "bad-threshold" }));
});

test.each([
  ["another name", "release.jso", { sha256: "ab".repeat(32) }, 10],
  ["no hash", "release.json", {}, 10],
  ["another hash", "release.json", { sha512: "ab".repeat(64) }, 10],
  ["two hashes", "release.json", { sha256: "ab".repeat(32), md5: "00" }, 10],
  ["an upper-case hash", "release.json", { sha256: "AB".repeat(32) }, 10],
  ["no bytes", "release.json", { sha256: "ab".repeat(32) }, 0],
  ["a fraction of a byte", "release.json", { sha256: "ab".repeat(32) }, 0.5],
  ["too many bytes", "release.json", { sha256: "ab".repeat(32) }, 65_537],
])("a target with %s is malformed", (_, path, hashes, length) => {
  const targets = new Targets({ specVersion: "1.0.31", version: 1, expires: "2030-01-01T00:00:00Z" });
  targets.addTarget(new TargetFile({ path, hashes: hashes, length }));
  expect(() => releaseTargetOf(new Metadata(targets))).toThrow(expect.objectContaining({ code: "malformed" }));
  expect(releaseTargetOf(buildTargets(1, 0, release))).toEqual(release);
});

test.each([
  ["Final timestamp.json is expired", "expired"],
  ["Unable to load snapshot metadata error Error: snapshot.json is expired", "expired"],
  ["timestamp was signed by 0/1 keys", "bad-signature"],
  ["New timestamp version 1 is less than current version 2", "rollback"],
  ["Unable to load targets error Error: Expected hash a but got b", "inconsistent"],
  ["Unable to load snapshot metadata error Error: Snapshot version doesn't match timestamp", "inconsistent"],
  ["Unexpected token < in JSON", "malformed"],
])("tuf-js' %j is %s", (reason, code) => {
  expect(trustErrorOf(new Error(reason))).toMatchObject({
    code,
    message: expect.stringContaining("refused") as string,
  });
});
