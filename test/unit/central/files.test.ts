import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { rawExchange, statusOf } from "../../support/raw-http.ts";
import { CentralFixture } from "../../support/central-fixture.ts";

const sha256 = (bytes: string | Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const large = Buffer.alloc(3_000_000, "0123456789");

async function served(): Promise<CentralFixture> {
  const fixture = new CentralFixture();
  fixture.write("hello.txt", "hello\n");
  fixture.write("pool/large.iso", large);
  fixture.write("pool/new\nline", "odd");
  fixture.write("pool/not-\xff-utf8", "bytes");
  fixture.write("empty", "");
  fixture.symlink("link", "pool/large.iso");
  fixture.symlink("outside", "/etc/passwd");
  fixture.symlink("up", "../state/keys");
  await fixture.publish();
  await fixture.serve();
  return fixture;
}

test("a file comes whole with its digest and validators", async () => {
  const fixture = await served();
  const response = await fixture.get("/hello.txt");
  expect(response.status).toBe(200);
  expect(await response.text()).toBe("hello\n");
  expect(Object.fromEntries(response.headers)).toMatchObject({
    etag: `"${sha256("hello\n")}"`,
    "content-type": "text/plain; charset=utf-8",
    "last-modified": "Sun, 06 Nov 1994 08:49:37 GMT",
    "accept-ranges": "bytes",
    "repr-digest": `sha-256=:${createHash("sha256").update("hello\n").digest("base64")}:`,
  });
});

test("large files, ranges, symlinks, empty files and odd names are byte-exact", async () => {
  const fixture = await served();
  expect(sha256(await (await fixture.get("/link")).bytes())).toBe(sha256(large));
  const part = await fixture.get("/pool/large.iso", { range: "bytes=1000000-2000004" });
  expect(part.status).toBe(206);
  expect(sha256(await part.bytes())).toBe(sha256(large.subarray(1_000_000, 2_000_005)));
  const parts = await fixture.get("/pool/large.iso", { range: "bytes=0-1,-2" });
  expect(await parts.text()).toMatch(/\r\n\r\n01\r\n--[^]*\r\n\r\n89\r\n--[^\r]*--\r\n$/);
  expect(await (await fixture.get("/empty")).text()).toBe("");
  expect(await (await fixture.get("/pool/new%0Aline")).text()).toBe("odd");
  expect(await (await fixture.get("/pool/not-%FF-utf8")).text()).toBe("bytes");
});

test("HEAD and conditions send no body", async () => {
  const fixture = await served();
  const head = await rawExchange(
    fixture.program.httpPort,
    "HEAD /hello.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
  );
  expect(head).toMatch(/^HTTP\/1\.1 200 [^]*Content-Length: 6\r\n[^]*\r\n\r\n$/);
  const fresh = await fixture.get("/hello.txt", { "if-none-match": `"${sha256("hello\n")}"` });
  expect([fresh.status, await fresh.text()]).toEqual([304, ""]);
  expect((await fixture.get("/hello.txt", { range: "bytes=6-" })).status).toBe(416);
});

test("a directory is listed under its slash, without .prsync", async () => {
  const fixture = await served();
  const redirect = await fixture.get("/pool");
  expect([redirect.status, redirect.headers.get("location")]).toEqual([301, "./pool/"]);
  const page = await (await fixture.get("/pool/")).text();
  expect(page).toContain('href="./new%0Aline"');
  expect(page).toContain('href="./not-%FF-utf8"');
  expect(await (await fixture.get("/")).text()).toContain('href="./hello.txt"');
});

test("the release is served, never the live tree", async () => {
  const fixture = await served();
  fixture.write("unpublished", "x");
  fixture.write("hello.txt", "changed!\n", 784_222_222);
  expect((await fixture.get("/unpublished")).status).toBe(404);
  const held = await fixture.get("/hello.txt");
  expect([200, 503]).toContain(held.status);
  expect(held.status === 200 ? await held.text() : "hello\n").toBe("hello\n");
  await fixture.publish();
  expect(await fixture.program.refreshNow()).toBe(2);
  expect(await (await fixture.get("/hello.txt")).text()).toBe("changed!\n");
  expect(await (await fixture.get("/unpublished")).text()).toBe("x");
});

test("?sha256= asks for exactly one content", async () => {
  const fixture = await served();
  expect((await fixture.get(`/hello.txt?sha256=${sha256("hello\n")}`)).status).toBe(200);
  expect((await fixture.get("/hello.txt?sha256=x")).status).toBe(400);
  expect((await fixture.get("/hello.txt?origin=1")).status).toBe(200);
});

test("an old link to a content that is no longer kept leads to what the path has now, and not round in circles", async () => {
  const fixture = await served();
  fixture.write("new dir/a b.txt", "a b\n");
  await fixture.publish();
  await fixture.program.refreshNow();
  const locationOf = async (target: string): Promise<unknown> => {
    const { status, headers } = await fixture.get(target);
    return [status, headers.get("location")];
  };
  const gone = `sha256=${sha256("other")}`;
  expect(await locationOf(`/new%20dir/a%20b.txt?${gone}`)).toEqual([302, "./a%20b.txt"]);
  expect(await locationOf(`/new%20dir/a%20b.txt?${gone}&origin=1`)).toEqual([302, "./a%20b.txt?origin=1"]);
  const followed = await fetch(`${fixture.program.httpUrl}/new%20dir/a%20b.txt?${gone}`);
  expect([followed.status, await followed.text()]).toEqual([200, "a b\n"]);
  expect((await fixture.get(`/unknown.txt?${gone}`)).status).toBe(404);
});

const HOSTILE_PREFIXES = [
  "..",
  "%2e%2e",
  "%2E.",
  ".%2e",
  "..%2f..",
  "..%5c..",
  "%252e%252e",
  "..;",
  "...",
  "%c0%ae%c0%ae",
  ".",
];
const HOSTILE_TAILS = [
  "/etc/passwd",
  "/state/keys/root.pem",
  "//etc/passwd",
  "%2fetc%2fpasswd",
  "/..%00/etc/passwd",
  "/%2e/etc/passwd",
];
const HOSTILE_TARGETS = HOSTILE_PREFIXES.flatMap((prefix) =>
  [1, 2, 8].map((depth) => Array(depth).fill(prefix).join("/")),
)
  .flatMap((start) => ["/", "/pool/", "//"].map((lead) => lead + start))
  .flatMap((start) => HOSTILE_TAILS.map((tail) => start + tail))
  .concat([
    "/%",
    "/%0",
    "/%zz",
    "/hello.txt%00",
    "/hello.txt%00.png",
    "//127.0.0.1/hello.txt",
    "/\\..\\etc\\passwd",
    "/outside",
    "/up/",
    "/up/root.pem",
    "/.prsync",
    "/.prsync/",
    "/%2eprsync/keys",
    "/.prsync/../hello.txt",
    "/.prsync/tuf/../../state/keys",
    "/.prsync/tuf/%2e%2e/keys",
    "/.prsync/tuf/..%2fkeys",
    "/.prsync/objects/..%2f..",
    "/.prsync/torrents/..%2fx.torrent",
    "/.prsync/contents/__proto__",
    "/constructor",
    "/__proto__",
    "/hello.txt/",
    "/hello.txt/..",
    "/hello.txt/x",
    "http://x/hello.txt",
    "/.prsync/tuf/timestamp.json/",
    "/.prsync/tuf/1.root.json%00",
  ]);

/** All ask at once, and the machine may be busy. */
const PATIENCE_MS = 20_000;

test("of hundreds of hostile paths none leaves the release", async () => {
  const fixture = await served();
  const answers = await Promise.all(
    HOSTILE_TARGETS.map(async (target) => {
      const answer = await rawExchange(
        fixture.program.httpPort,
        `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
        PATIENCE_MS,
      );
      return { target, status: statusOf(answer), isLeak: /root:x:0:0|PRIVATE KEY/.test(answer) };
    }),
  );
  expect(answers.filter(({ status, isLeak }) => isLeak || (status !== 400 && status !== 404))).toEqual([]);
  expect((await fixture.get("/hello.txt")).status).toBe(200);
});

test.each(["/./hello.txt", "//hello.txt", "/pool/.//%2e/../hello.txt"])(
  "%s is looked up without empty parts and dots",
  async (target) => {
    const fixture = await served();
    const request = `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
    const answer = await rawExchange(fixture.program.httpPort, request, PATIENCE_MS);
    expect(statusOf(answer)).toBe(target.includes("..") ? 400 : 200);
  },
);

test("monitors may look by HEAD", async () => {
  const fixture = await served();
  for (const path of ["health", "ready", "metrics", "status", "api/v1/status", "api/v1/volunteers"]) {
    const answer = await fetch(`${fixture.program.httpUrl}/.prsync/${path}`, { method: "HEAD" });
    expect([path, answer.status, await answer.text()]).toEqual([path, 200, ""]);
  }
});

test("before the first release everything is 503 but health", async () => {
  const fixture = new CentralFixture();
  await fixture.serve();
  const refused = await fixture.get("/hello.txt");
  expect([refused.status, await refused.json()]).toEqual([
    503,
    { error: { code: "no-release", message: "there is no release yet: run prsync publish" } },
  ]);
  expect((await fixture.get(`/.prsync/objects/${"0".repeat(64)}`)).status).toBe(503);
  expect((await fixture.get("/.prsync/ready")).status).toBe(503);
  expect((await fixture.get("/.prsync/health")).status).toBe(200);
  expect((await fixture.get("/.prsync/tuf/1.root.json")).status).toBe(200);
  expect((await fixture.get("/.prsync/status")).status).toBe(200);
  fixture.write("hello.txt", "hello\n");
  await fixture.publish();
  expect(await fixture.program.refreshNow()).toBe(1);
  expect((await fixture.get("/.prsync/ready")).status).toBe(200);
  expect((await fixture.get("/hello.txt")).status).toBe(200);
});

test("signatures come several at once, in the order asked for", async () => {
  const fixture = await served();
  const [signed, unsigned] = [sha256(large), sha256("hello\n")];
  const ask = (body: Uint8Array): Promise<Response> =>
    fetch(`${fixture.program.httpUrl}/.prsync/signatures`, { method: "POST", body: Uint8Array.from(body) });
  const answer = Buffer.from(await (await ask(Buffer.from(unsigned + signed + unsigned, "hex"))).bytes());
  const signature = Buffer.from(await (await fixture.get(`/.prsync/signatures/${signed}`)).bytes());
  const length = Buffer.alloc(4);
  length.writeUInt32BE(signature.length);
  expect(signature.length).toBeGreaterThan(1_000);
  expect(answer).toEqual(Buffer.concat([Buffer.alloc(4), length, signature, Buffer.alloc(4)]));
  const refused = [Buffer.alloc(0), Buffer.alloc(31), Buffer.alloc(32 * 1_001)].map(async (body) => {
    return (await ask(body)).status;
  });
  expect(await Promise.all(refused)).toEqual([400, 400, 400]);
});

test("a metadata bundle comes as .torrent and file by file", async () => {
  const fixture = await served();
  const { infoHash } = fixture.tree.release!.metadata[0]!;
  const torrent = await fixture.get(`/.prsync/torrents/${infoHash}.torrent`);
  expect([torrent.status, torrent.headers.get("content-type")]).toEqual([200, "application/x-bittorrent"]);
  const { index } = fixture.tree.release!;
  const object = await fixture.get(`/.prsync/metadata/${infoHash}/objects/${index.sha256}`);
  expect(Buffer.from(await object.bytes())).toEqual(Buffer.from((await fixture.tree.object(index.sha256))!));
  const part = await fixture.get(`/.prsync/metadata/${infoHash}/signatures`, { range: "bytes=0-3" });
  expect([part.status, await part.text()]).toEqual([206, "PRCR"]);
  const missing = [`${infoHash}/nothing`, `${infoHash}/`, infoHash, `${"0".repeat(40)}/signatures`, "x/../signatures"];
  const statuses = missing.map(async (name) => (await fixture.get(`/.prsync/metadata/${name}`)).status);
  expect(new Set(await Promise.all(statuses))).toEqual(new Set([404]));
});

test("the status page is no frame, sends no forms, and is one text for everybody within a second", async () => {
  const fixture = new CentralFixture();
  await fixture.serve();
  const [first, second] = await Promise.all([fixture.get("/.prsync/status"), fixture.get("/.prsync/status")]);
  const policy = first.headers.get("content-security-policy")!;
  for (const part of ["base-uri", "form-action", "frame-ancestors"]) expect(policy).toContain(`${part} 'none'`);
  expect(await second.text()).toBe(await first.text());
});
