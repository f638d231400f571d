import { createHash } from "node:crypto";
import { cpSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CentralFixture } from "../../support/central-fixture.ts";
import { rawExchange } from "../../support/raw-http.ts";
import { randomBytesOf } from "../../support/sample-tree.ts";

/** Of a release that names no other. */
const PIECE_BYTES = 65_536;

async function served(files: Readonly<Record<string, Uint8Array>>): Promise<CentralFixture> {
  const fixture = new CentralFixture();
  for (const [path, bytes] of Object.entries(files)) fixture.write(path, bytes);
  await fixture.publish();
  await fixture.serve();
  return fixture;
}

/** The `pieces` of its Metalink 4: their length and hashes. */
async function describedPieces(fixture: CentralFixture, path: string): Promise<readonly string[]> {
  const text = await (await fixture.get(`${path}.meta4`)).text();
  const [, length, hashes] = /<pieces length="(\d+)" type="sha-1">([^]*)<\/pieces>/.exec(text) ?? [];
  return length === undefined
    ? []
    : [length, ...hashes!.matchAll(/<hash>([0-9a-f]{40})<\/hash>/g).map(([, hash]) => hash!)];
}

function piecesOf(bytes: Uint8Array): readonly string[] {
  const count = Math.ceil(bytes.length / PIECE_BYTES);
  const parts = Array.from({ length: count }, (_, part) =>
    bytes.subarray(part * PIECE_BYTES, (part + 1) * PIECE_BYTES),
  );
  return [String(PIECE_BYTES), ...parts.map((part) => createHash("sha1").update(part).digest("hex"))];
}

test("a metalink has the hashes of all pieces, the last one without the padding of the swarm", async () => {
  const files = {
    "before.bin": randomBytesOf(1, 3 * PIECE_BYTES - 1),
    "even.bin": randomBytesOf(2, 2 * PIECE_BYTES),
    "odd.bin": randomBytesOf(3, 5 * PIECE_BYTES + 1),
    "one.bin": randomBytesOf(4, PIECE_BYTES),
    "empty.bin": new Uint8Array(),
  };
  const fixture = await served(files);
  for (const name of ["before.bin", "even.bin", "odd.bin"] as const)
    expect(await describedPieces(fixture, `/${name}`), name).toEqual(piecesOf(files[name]));
  // Its own hash says as much.
  for (const name of ["one.bin", "empty.bin"]) expect(await describedPieces(fixture, `/${name}`), name).toEqual([]);
  // A later release's contents lie in another bundle.
  const later = randomBytesOf(5, 4 * PIECE_BYTES + 7);
  fixture.write("later.bin", later);
  await fixture.publish();
  await fixture.program.refreshNow();
  expect(await describedPieces(fixture, "/later.bin")).toEqual(piecesOf(later));
  expect(await describedPieces(fixture, "/odd.bin")).toEqual(piecesOf(files["odd.bin"]));
});

test("for a metalink nothing is read of a file of one piece, and the table of a bundle but once", async () => {
  const fixture = await served({
    "small.bin": randomBytesOf(1, 2_000),
    "large.bin": randomBytesOf(2, 3 * PIECE_BYTES),
  });
  const objects = join(fixture.directory, "work/objects");
  cpSync(objects, `${objects}.kept`, { recursive: true });
  for (const path of filesBelow(objects)) writeFileSync(path, "no frame of zstd");
  expect((await fixture.get("/small.bin.meta4")).status).toBe(200);
  const head = await fetch(`${fixture.program.httpUrl}/large.bin.meta4`, { method: "HEAD" });
  expect([head.status, head.headers.get("content-length")]).toEqual([200, null]);
  expect((await fixture.get("/large.bin.meta4")).status).toBe(500);
  cpSync(`${objects}.kept`, objects, { recursive: true });
  const pieces = await describedPieces(fixture, "/large.bin");
  expect(pieces).toHaveLength(4);
  rmSync(objects, { recursive: true });
  expect(await describedPieces(fixture, "/large.bin")).toEqual(pieces);
});

test("hashes of pieces count as requests of their address by their number, who looks at the head alone pays for none", async () => {
  const fixture = new CentralFixture();
  // 129 pieces, the last of one byte: 3 requests for the hashes, 1 for the piece, and the one that every request counts.
  fixture.write("large.bin", randomBytesOf(1, 128 * PIECE_BYTES + 1));
  fixture.write("small.bin", randomBytesOf(2, PIECE_BYTES));
  await fixture.publish();
  await fixture.serve({ requestRate: { perSecond: 0.001, burst: 9 } });
  const statusOf = async (path: string, method = "GET"): Promise<number> =>
    (await fetch(`${fixture.program.httpUrl}${path}`, { method })).status;
  expect(await statusOf("/large.bin.meta4", "HEAD")).toBe(200);
  expect(await statusOf("/small.bin.meta4")).toBe(200);
  expect(await statusOf("/large.bin.meta4")).toBe(200);
  expect([await statusOf("/small.bin"), await statusOf("/small.bin")]).toEqual([200, 200]);
  expect(await statusOf("/small.bin")).toBe(429);
});

test("a metalink is to be saved under a name of its own, whatever the file is called", async () => {
  const odd = Buffer.from("a b'(\u00e9)\".iso").toString("latin1");
  const fixture = await served({ "plain-1.0_a~b+c.iso": randomBytesOf(1, 10), [odd]: randomBytesOf(2, 10) });
  const nameOf = async (path: string): Promise<string | null> =>
    (await fixture.get(encodeURI(path))).headers.get("content-disposition");
  expect(await nameOf("/plain-1.0_a~b+c.iso.meta4")).toBe('attachment; filename="plain-1.0_a~b+c.iso.meta4"');
  expect(await nameOf("/plain-1.0_a~b+c.iso.metalink")).toBe('attachment; filename="plain-1.0_a~b+c.iso.metalink"');
  expect(await nameOf("/plain-1.0_a~b+c.iso.sha256")).toBeNull();
  expect(await nameOf("/a b'(\u00e9)\".iso.meta4")).toBe(
    "attachment; filename*=UTF-8''a%20b%27%28%C3%A9%29%22.iso.meta4",
  );
});

function filesBelow(directory: string): readonly string[] {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

test("a description names central where no mirror has the file, by the address that was asked, whatever Host says", async () => {
  const fixture = await served({ "repodata/repomd.xml": randomBytesOf(1, 30_000) });
  const { httpPort, httpUrl } = fixture.program;
  for (const kind of ["meta4", "metalink", "mirrorlist"]) {
    const head = `GET /repodata/repomd.xml.${kind} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n`;
    const answer = await rawExchange(httpPort, head);
    const urls = [...answer.matchAll(/[>"](https?:\/\/[^<"]*repomd\.xml)/g)].map(([, url]) => url);
    expect(new Set(urls), kind).toEqual(new Set([`${httpUrl}/repodata/repomd.xml`]));
  }
  const only = await fixture.get("/repodata/repomd.xml", { accept: "application/metalink+xml" });
  expect(await only.text()).toContain(`>${httpUrl}/repodata/repomd.xml</url>`);
});

test("behind a proxy, and nobody said where central is, a description does not name the connection's address", async () => {
  const fixture = new CentralFixture();
  fixture.write("repomd.xml", randomBytesOf(1, 30_000));
  await fixture.publish();
  await fixture.serve({ trustedProxies: ["127.0.0.1"] });
  expect(await (await fixture.get("/repomd.xml.meta4")).text()).not.toContain("127.0.0.1");
  const only = await fixture.get("/repomd.xml", { accept: "application/metalink4+xml" });
  expect([only.status, (await only.bytes()).length]).toEqual([200, 30_000]);
});
