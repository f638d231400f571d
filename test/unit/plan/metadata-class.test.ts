import { expect, test } from "vitest";
import { repoPathFromByteString } from "../../../src/core/repo-path.ts";
import { metadataPaths } from "../../../src/plan/metadata-class.ts";

const INDEX_FILES = [
  "dists/stable/InRelease",
  "dists/stable/main/binary-amd64/Packages.xz",
  "dists/stable/main/source/Sources",
  "fedora/repodata/repomd.xml",
  "arch/core.db.tar.gz",
  "alpine/APKINDEX.tar.gz",
  "images/SHA256SUMS",
];
const OTHERS = ["pool/main/p/Packages-0.1.deb", "fedora/repodata/1234-primary.xml.gz", "a.db.txt", "simple/index.html"];

function lastOf(patterns: readonly string[]): string[] {
  const isLast = metadataPaths(patterns);
  return [...INDEX_FILES, ...OTHERS].filter((path) => isLast(repoPathFromByteString(path)));
}

test("index files of package managers come last by themselves", () => {
  expect(lastOf([])).toEqual(INDEX_FILES);
});

test("patterns add to them, and mean what they mean in filter rules", () => {
  expect(lastOf(["/simple/**", "*-primary.xml.gz", "main/"])).toEqual([...INDEX_FILES, OTHERS[1], OTHERS[3]]);
  expect(lastOf(["/index.html"])).toEqual(INDEX_FILES);
});
