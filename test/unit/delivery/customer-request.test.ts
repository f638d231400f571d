import { expect, test } from "vitest";
import { EMPTY_CONTENT, parseContentId } from "../../../src/core/content-id.ts";
import { repoPathFromByteString, type RepoPath } from "../../../src/core/repo-path.ts";
import { decideCustomerRequest, parseCustomerRequest } from "../../../src/delivery/customer-request.ts";
import { LISTING_END, listingHead, listingRows } from "../../../src/delivery/directory-listing.ts";
import { mediaTypeOf } from "../../../src/delivery/media-type.ts";
import type { Entry } from "../../../src/manifest/entry.ts";

const content = parseContentId("2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae");
const file = (path: string): Entry => ({
  kind: "file",
  path: repoPathFromByteString(path),
  mode: 0o644,
  mtimeNs: 1_000_000_000n,
  size: 3,
  content,
});
const directory = (path: string): Entry => ({
  kind: "directory",
  path: repoPathFromByteString(path),
  mode: 0o755,
  mtimeNs: 0n,
});
const symlink = (path: string, target: string): Entry => ({
  kind: "symlink",
  path: repoPathFromByteString(path),
  mtimeNs: 0n,
  target,
});

const chain = Array.from({ length: 45 }, (_, index) => symlink(`chain${index}`, `chain${index + 1}`));
const entries = new Map(
  [
    file("a.txt"),
    directory("d"),
    directory("d/e"),
    file("d/e/f"),
    file("d/new\nline"),
    symlink("to-file", "a.txt"),
    symlink("to-directory", "d/e"),
    symlink("d/up", "../a.txt"),
    symlink("absolute", "/etc/passwd"),
    symlink("outside", "../../etc/passwd"),
    symlink("loop", "loop"),
    symlink("dangling", "nothing"),
    symlink("slashed", "a.txt/"),
    ...chain,
    file("chain45"),
  ].map((entry) => [entry.path, entry]),
);
const lookup = (path: RepoPath): Entry | undefined => entries.get(path);

function decide(target: string): string {
  const request = parseCustomerRequest(target);
  if (typeof request === "string") return "bad-request";
  const decision = decideCustomerRequest(request, lookup);
  switch (decision.kind) {
    case "file":
    case "other-content":
      return `${decision.kind} ${decision.entry.path}`;
    case "listing":
      return `listing ${decision.directory ?? "top"}`;
    case "add-slash":
      return `add-slash ${decision.location}`;
    default:
      return decision.kind;
  }
}

test.each([
  ["/a.txt", "file a.txt"],
  ["/a.txt/", "missing"],
  ["/a.txt/x", "missing"],
  ["/d/e/f", "file d/e/f"],
  ["/d/new%0Aline", "file d/new\nline"],
  ["/to-file", "file a.txt"],
  ["/to-directory/f", "file d/e/f"],
  ["/to-directory/", "listing d/e"],
  ["/d/up", "file a.txt"],
  ["/d", "add-slash ./d/"],
  ["/to-directory", "add-slash ./to-directory/"],
  ["/", "listing top"],
  ["/absolute", "missing"],
  ["/outside", "missing"],
  ["/loop", "missing"],
  ["/dangling", "missing"],
  ["/slashed", "missing"],
  ["/chain0", "missing"],
  ["/chain5", "file chain45"],
  ["/nothing", "missing"],
  ["/.prsync", "missing"],
  ["/%2eprsync/keys", "missing"],
  ["/__proto__", "missing"],
  ["/../a.txt", "bad-request"],
  ["/%zz", "bad-request"],
  [`/a.txt?sha256=${content}`, "file a.txt"],
  [`/a.txt?sha256=${EMPTY_CONTENT}`, "other-content a.txt"],
  ["/a.txt?sha256=x", "bad-request"],
])("request %s is decided as %s", (target, decision) => {
  expect(decide(target)).toBe(decision);
});

test("origin=1 is told apart", () => {
  expect(parseCustomerRequest("/a?origin=1")).toMatchObject({ isOriginWanted: true });
  expect(parseCustomerRequest("/a?origin=2")).toMatchObject({ isOriginWanted: false });
});

test("a listing escapes names and links them by bytes", () => {
  const rows = listingRows([directory("d/sub"), file('d/<script>"&\n'), file("d/\xff")]);
  const page = listingHead(repoPathFromByteString("d")) + rows + LISTING_END;
  expect(page).toContain('<a href="./sub/">sub/</a>');
  expect(page).toContain('<a href="./%3Cscript%3E%22%26%0A">&lt;script&gt;&quot;&amp;\\x0a</a>  1970-01-01 00:00  3');
  expect(page).toContain('<a href="./%FF">\\xff</a>');
  expect(page).toContain('<a href="../">');
  expect(listingRows([directory(".prsync")])).toBe("");
});

test("media types come from the ending alone", () => {
  expect(mediaTypeOf("pool/a_1.0_amd64.deb")).toBe("application/vnd.debian.binary-package");
  expect(mediaTypeOf("a.TAR")).toBe("application/x-tar");
  expect(mediaTypeOf("Packages")).toBe("application/octet-stream");
  expect(mediaTypeOf("constructor")).toBe("application/octet-stream");
});
