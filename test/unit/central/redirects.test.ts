import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { Bitfield } from "../../../src/core/bitfield.ts";
import { VolunteerRegistry } from "../../../src/store/volunteer-registry.ts";
import { verifySignedQuery } from "../../../src/trust/redirect-signature.ts";
import {
  explained,
  ISO,
  DEB,
  INDEX,
  mirror,
  PATIENCE,
  served,
  sha256,
  whoServes,
} from "../../support/redirecting-central.ts";
import { statusOf } from "../../support/raw-http.ts";

test("a file is a redirect to who has it, with digest and duplicates, for GET and HEAD alike", async () => {
  const fixture = await served();
  expect(await whoServes(fixture, "/a.iso")).toBe("origin");
  await mirror(fixture, "one");
  await mirror(fixture, "two");
  await expect.poll(() => fixture.get("/pool/b%20c.deb").then(({ status }) => status), PATIENCE).toBe(302);
  const head = await fetch(`${fixture.program.httpUrl}/latest`, { method: "HEAD", redirect: "manual" });
  expect(head.status).toBe(302);
  const fields = Object.fromEntries(head.headers);
  expect(fields["location"]).toMatch(new RegExp(`^http://127\\.0\\.0\\.1:1/(one|two)/latest\\?sha256=${sha256(ISO)}$`));
  expect(fields["digest"]).toBe(`SHA-256=${createHash("sha256").update(ISO).digest("base64")}`);
  expect(fields["link"]).toMatch(/^<[^>]*\/latest\?[^>]*>; rel=duplicate; pri=1, <[^>]*>; rel=duplicate; pri=2$/);
  expect(fields["cache-control"]).toBe("no-store");
});

test("to a mirror that wants it the redirect is signed, for this mirror, content and some minutes; descriptions leave it out", async () => {
  const fixture = await served({ publicUrl: "http://central.example.org" });
  const { id } = await mirror(fixture, "strict", { onlyRedirected: true });
  await mirror(fixture, "open");
  await expect.poll(async () => (await explained(fixture, "/a.iso")).ranked.length, PATIENCE).toBe(2);
  const link = (await fixture.get("/a.iso")).headers.get("link")!;
  const urls = [...link.matchAll(/<([^>]*)>/g)].map(([, url]) => new URL(url!));
  const [open, strict] = urls.sort((a, b) => (a.pathname < b.pathname ? -1 : 1));
  expect(open!.search).toBe(`?sha256=${sha256(ISO)}`);
  const { sha256: content = "", until, signature } = Object.fromEntries(strict!.searchParams);
  const { repositoryId: repository, passSigner } = fixture.repository;
  const nowMs = Date.now() + 10 * 60_000;
  const signed = { repository, volunteer: id, content };
  expect(verifySignedQuery(passSigner.publicKey, signed, { until, signature, nowMs })).toBe(true);
  const late = { until, signature, nowMs: Date.now() + 15 * 60_000 + 1_000 };
  expect(verifySignedQuery(passSigner.publicKey, signed, late)).toBe(false);
  const meta4 = await (await fixture.get("/a.iso.meta4")).text();
  expect(meta4.match(/<url [^>]*>[^<?]*/g)).toEqual([
    '<url priority="1">http://127.0.0.1:1/open/a.iso',
    '<url priority="2">http://central.example.org/a.iso',
  ]);
});

test("small files, origin=1, conditions that hold and everything with --no-redirect stay with central", async () => {
  const fixture = await served();
  await mirror(fixture, "one");
  await expect.poll(() => whoServes(fixture, "/a.iso"), PATIENCE).toBe("one");
  expect(await whoServes(fixture, "/small.txt")).toBe("origin");
  expect(await whoServes(fixture, "/pool/b%20c.deb?origin=1")).toBe("origin");
  expect((await fixture.get("/pool/b%20c.deb", { "if-none-match": `"${sha256(DEB)}"` })).status).toBe(304);
  expect((await fixture.get("/pool/")).status).toBe(200);
  expect((await fixture.get("/nothing.iso")).status).toBe(404);
  const alone = await served({ redirects: undefined });
  await mirror(alone, "one");
  expect(await whoServes(alone, "/a.iso")).toBe("origin");
});

test("only who has exactly that content, and index files only from the newest release", async () => {
  const fixture = await served();
  const full = await mirror(fixture, "full");
  const bundle = [...fixture.tree.bundleNumbers().keys()][0]!;
  const bitmap = (...texts: string[]): string => {
    const field = new Bitfield(4);
    for (const text of texts) field.set(fixture.tree.placeOf(sha256(text) as never)!.ordinal);
    return Buffer.from(field.toBytes()).toString("base64");
  };
  await mirror(fixture, "partial", { holdings: { base: 0, bundles: [{ number: bundle, have: bitmap(DEB) }] } });
  await full.announce({ query: "&event=stopped" });
  await expect.poll(() => whoServes(fixture, "/pool/b%20c.deb"), PATIENCE).toBe("partial");
  expect(await whoServes(fixture, "/a.iso")).toBe("origin");
  await mirror(fixture, "late");
  await expect.poll(() => whoServes(fixture, "/a.iso"), PATIENCE).toBe("late");
  expect(await whoServes(fixture, "/dists/Packages")).toBe("late");
  fixture.write("new.iso", "n".repeat(40_000));
  await fixture.publish();
  await fixture.program.refreshNow();
  // Everybody is at release 1 now: what is in both may still come from there, the rest and all index files may not.
  expect(await whoServes(fixture, "/a.iso", { range: "bytes=1-" })).toBe("late");
  expect(await whoServes(fixture, "/new.iso")).toBe("origin");
  expect(await whoServes(fixture, "/dists/Packages", { range: "bytes=1-" })).toBe("206");
});

test("the same request again goes to another volunteer, then to central; one that sends back is not asked again", async () => {
  const fixture = await served();
  await mirror(fixture, "one");
  await mirror(fixture, "two");
  await expect.poll(async () => (await explained(fixture, "/a.iso")).ranked.length, PATIENCE).toBe(2);
  const asked = [];
  for (let turn = 0; turn < 3; turn++) asked.push(await whoServes(fixture, "/a.iso"));
  expect(asked.slice(0, 2).sort()).toEqual(["one", "two"]);
  expect(asked[2]).toBe("origin");
  const first = await whoServes(fixture, "/pool/b%20c.deb");
  expect(await whoServes(fixture, "/pool/b%20c.deb?origin=1")).toBe("origin");
  const { rejected } = await explained(fixture, "/pool/b%20c.deb");
  expect(rejected).toEqual([{ name: first, reason: "missed-lately" }]);
  expect(await (await fixture.get("/.prsync/metrics")).text()).toContain("prsync_customer_misses_total 1\n");
});

test("who asks for too many files is told to wait; announces, metadata and metrics go on", async () => {
  const fixture = await served({ requestRate: { perSecond: 0.01, burst: 4 } });
  const volunteer = await mirror(fixture, "one");
  await expect.poll(() => fixture.program.status().volunteers.current, PATIENCE).toBe(1);
  const asked: string[] = [];
  for (let turn = 0; turn < 6; turn++) asked.push(await whoServes(fixture, "/small.txt"));
  expect(asked).toEqual(["origin", "origin", "origin", "origin", "429", "429"]);
  expect(await whoServes(fixture, "/a.iso?explain")).toBe("429");
  expect((await volunteer.announce()).status).toBe(200);
  expect((await fixture.get("/.prsync/tuf/timestamp.json")).status).toBe(200);
  expect((await fixture.get(`/.prsync/contents/${sha256(ISO)}`)).status).toBe(200);
  expect(await (await fixture.get("/.prsync/metrics")).text()).toContain("prsync_customers_refused_total 3\n");
});

test("on a connection of plain requests the same holds: elsewhere, then central, and what is conditional or small at once", async () => {
  const fixture = await served();
  await mirror(fixture, "one");
  await mirror(fixture, "two");
  await expect.poll(async () => (await explained(fixture, "/a.iso")).ranked.length, PATIENCE).toBe(2);
  const ask = async (path: string, more = ""): Promise<string> => {
    const socket = connect(fixture.program.httpPort, "127.0.0.1").setEncoding("latin1");
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n${more}\r\n`);
    const [answer] = (await once(socket, "data")) as [string];
    socket.destroy();
    return answer;
  };
  const answers = [];
  for (let turn = 0; turn < 3; turn++) answers.push(await ask("/a.iso"));
  const names = answers.map((answer) => /^Location: http:\/\/127\.0\.0\.1:1\/(\w+)\//m.exec(answer)?.[1]);
  expect(names.slice(0, 2).sort()).toEqual(["one", "two"]);
  expect(statusOf(answers[2]!)).toBe(200);
  expect(answers[0]).toMatch(
    /^HTTP\/1\.1 302 Found\r\nLocation: .*\r\nLink: .*\r\nDigest: SHA-256=.*\r\nCache-Control: no-store\r\nVary: Accept\r\n/,
  );
  expect(statusOf(await ask("/small.txt"))).toBe(200);
  expect(statusOf(await ask("/pool/b%20c.deb", `If-None-Match: "${sha256(DEB)}"\r\n`))).toBe(304);
  expect(statusOf(await ask("/pool/b%20c.deb", "Accept-Encoding: gzip\r\nRange: bytes=0-9\r\n"))).toBe(302);
});

test("a mirror that is new counts with an eighth of its capacity, one that was there before the first customer with all", async () => {
  const fixture = await served();
  const capacity = { uploadCapacityBytesPerSecond: 100_000 };
  await mirror(fixture, "known", capacity);
  const waits = async (): Promise<object> =>
    Object.fromEntries((await explained(fixture, "/a.iso")).ranked.map((row) => [row.name, row.waitSeconds]));
  expect(await waits()).toEqual({ known: 0.5 });
  await mirror(fixture, "new", capacity);
  await expect.poll(waits, PATIENCE).toEqual({ known: 0.5, new: 4 });
});

test("?explain names each volunteer with its reason, as text and as JSON, and changes nothing", async () => {
  const fixture = await served();
  await mirror(fixture, "chosen", { bytesLeft: 25_000_000, syncing: true, uploadCapacityBytesPerSecond: 10_000_000 });
  await mirror(fixture, "drained");
  await mirror(fixture, "elsewhere", { site: "mars", customersFrom: "site" });
  await mirror(fixture, "urlless", { url: undefined });
  await mirror(fixture, "private", { url: "http://10.0.0.1" });
  await mirror(fixture, "secure", { url: "https://127.0.0.1" });
  await mirror(fixture, "six", { url: "http://[::1]:7381" });
  await mirror(fixture, "empty", { release: 0, holdings: { base: 0, bundles: [] } });
  using registry = VolunteerRegistry.open(fixture.stateDirectory, Date.now);
  registry.drain("drained", true);
  const reasons = async (): Promise<object> =>
    Object.fromEntries((await explained(fixture, "/a.iso")).rejected.map(({ name, reason }) => [name, reason]));
  await expect.poll(reasons, PATIENCE).toEqual({
    drained: "draining",
    elsewhere: "other-site",
    urlless: "no-customers",
    secure: "other-protocol",
    six: "other-address-family",
    empty: "not-held",
  });
  const { ranked, customer, release } = await explained(fixture, "/a.iso");
  expect(ranked.map(({ name }) => name).sort()).toEqual(["chosen", "private"]);
  expect(customer).toEqual({ address: "127.0.0.1", site: "127.0.0.0/16", protocol: "http" });
  expect(release).toBe(1);
  const text = await (await fixture.get("/a.iso?explain")).text();
  expect(text).toMatch(/answer {4}private\n[^]*private {2}http:\/\/10\.0\.0\.1[^]*drained {2}draining: the operator/);
  expect(await (await fixture.get("/small.txt?explain")).text()).toContain(
    "answer    central itself: the file is too small",
  );
});

test("a mirror whose line is taken up is eligible, behind all others, and ?explain shows how long a customer would wait", async () => {
  const fixture = await served();
  const busy = { syncing: true, bytesLeft: 50_000_000_000, uploadCapacityBytesPerSecond: 1_000 };
  await mirror(fixture, "busy", busy);
  for (const name of ["one", "two", "three", "four"]) await mirror(fixture, name);
  await expect.poll(async () => (await explained(fixture, "/a.iso")).ranked.length, PATIENCE).toBe(5);
  const { ranked, rejected } = await explained(fixture, "/a.iso");
  expect(rejected).toEqual([]);
  expect(ranked[4]).toMatchObject({ name: "busy", waitSeconds: expect.any(Number) as number });
  expect(ranked[4]!.waitSeconds).toBeGreaterThan(100 * ranked[3]!.waitSeconds);
});

test("a file is described as metalinks, as sha256sum reads it and as a page; a real file of such a name wins", async () => {
  const fixture = await served({ publicUrl: "http://central.example.org" });
  fixture.write("a.iso.sha256", "the real one");
  fixture.write('odd\\&"<\n.iso', ISO);
  await fixture.publish();
  await fixture.program.refreshNow();
  await mirror(fixture, "one");
  await expect.poll(async () => (await explained(fixture, "/a.iso")).ranked.length, PATIENCE).toBe(1);
  const described = async (path: string): Promise<readonly [string | null, string]> => {
    const response = await fixture.get(path);
    return [response.headers.get("content-type"), await response.text()];
  };
  const [type4, meta4] = await described("/pool/b%20c.deb.meta4");
  expect(type4).toBe("application/metalink4+xml; charset=utf-8");
  expect(meta4).toContain(
    `<file name="b c.deb">\n    <size>30000</size>\n    <hash type="sha-256">${sha256(DEB)}</hash>`,
  );
  const query = `pool/b%20c.deb?sha256=${sha256(DEB)}`;
  expect(meta4).toContain(
    `<url priority="1">http://127.0.0.1:1/one/${query}</url>\n    <url priority="2">http://central.example.org/${query}</url>`,
  );
  const [, meta3] = await described("/dists/Packages.metalink");
  expect(meta3).toContain("<mm0:timestamp>784111777</mm0:timestamp>\n      <size>20000</size>");
  expect(meta3).toContain(`<hash type="sha256">${sha256(INDEX)}</hash>`);
  // The mirror is at release 1: index files of release 2 are central's alone.
  expect(meta3.match(/<url [^>]*>[^<]*/g)).toEqual([
    '<url protocol="http" type="http" preference="100">http://central.example.org/dists/Packages',
  ]);
  expect((await described("/pool/b%20c.deb.sha256"))[1]).toBe(`${sha256(DEB)}  b c.deb\n`);
  expect((await described("/odd%5C&%22%3C%0A.iso.sha256"))[1]).toBe(`\\${sha256(ISO)}  odd\\\\&"<\\n.iso\n`);
  expect((await described("/odd%5C&%22%3C%0A.iso.mirrorlist"))[1]).not.toMatch(/<\n|"</);
  expect((await described("/a.iso.sha256"))[1]).toBe("the real one");
  for (const nothing of ["/gone.iso.meta4", "/pool.meta4", "/.meta4", "/.prsync/status.meta4", "/a.iso.meta4/"]) {
    expect((await fixture.get(nothing)).status).toBe(404);
  }
});

test("descriptions whose URLs name no content name only who shows the newest release, others whoever has the content", async () => {
  const fixture = await served({ publicUrl: "http://central.example.org" });
  const one = await mirror(fixture, "one");
  fixture.write("a.iso", DEB);
  fixture.write("pool/b c.deb", ISO);
  await fixture.publish();
  await fixture.program.refreshNow();
  await mirror(fixture, "two", { release: 2, holdings: { base: 0, complete: 2 } });
  await expect.poll(async () => (await explained(fixture, "/a.iso")).ranked.length, PATIENCE).toBe(2);
  const mirrorsIn = async (path: string, headers: Record<string, string> = {}): Promise<readonly string[]> => {
    const text = await (await fixture.get(path, headers)).text();
    return [...new Set(text.matchAll(/http:\/\/127\.0\.0\.1:1\/(\w+)/g).map(([, name]) => name!))].sort();
  };
  // "one" has both contents, each under the other name.
  expect(await mirrorsIn("/a.iso.meta4")).toEqual(["one", "two"]);
  for (const described of ["/a.iso.metalink", "/a.iso.mirrorlist", "/pool/b%20c.deb.metalink"])
    expect(await mirrorsIn(described), described).toEqual(["two"]);
  expect(await mirrorsIn("/a.iso", { accept: "application/metalink+xml" })).toEqual(["two"]);
  await one.announce({ body: { url: "http://127.0.0.1:1/one", release: 2, holdings: { base: 0, complete: 2 } } });
  await expect.poll(() => mirrorsIn("/a.iso.mirrorlist"), PATIENCE).toEqual(["one", "two"]);
  expect(await (await fixture.get("/a.iso.mirrorlist")).text()).toContain('<a href="http://127.0.0.1:1/one/a.iso">');
});

test("a metalink comes at the path itself for who names it in Accept, and for nobody else", async () => {
  const fixture = await served({ publicUrl: "http://central.example.org" });
  const askAs = (path: string, accept: string): Promise<Response> => fixture.get(path, { accept });
  const aria2 = "*/*,application/metalink4+xml,application/metalink+xml";
  // Nobody has it yet: the file itself is as good.
  const alone = await askAs("/a.iso", aria2);
  expect([alone.status, alone.headers.get("vary"), (await alone.bytes()).length]).toEqual([200, "Accept", ISO.length]);
  await mirror(fixture, "one");
  await expect.poll(async () => (await explained(fixture, "/a.iso")).ranked.length, PATIENCE).toBe(1);
  const described = await askAs("/a.iso", aria2);
  expect([described.status, described.headers.get("vary")]).toEqual([200, "Accept"]);
  expect(described.headers.get("content-type")).toBe("application/metalink4+xml; charset=utf-8");
  expect(await described.text()).toBe(await (await fixture.get("/a.iso.meta4")).text());
  const third = await askAs("/a.iso", "application/metalink+xml");
  expect(third.headers.get("content-type")).toBe("application/metalink+xml; charset=utf-8");
  await third.bytes();
  const plain = await askAs("/a.iso", "*/*");
  expect([plain.status, plain.headers.get("vary")]).toEqual([302, "Accept"]);
  // URLs that a metalink names lead to bytes, or a downloader would go round in circles.
  for (const query of [`?sha256=${sha256(DEB)}`, "?origin=1"])
    expect((await askAs(`/pool/b%20c.deb${query}`, aria2)).headers.get("content-type") ?? "none").not.toContain(
      "metalink",
    );
});

test("a detached signature beside a file stands in its metalink, and only if it is one", async () => {
  const fixture = await served();
  const armour = "-----BEGIN PGP SIGNATURE-----\nVersion: a & b\n\niQEz=\n-----END PGP SIGNATURE-----\n";
  fixture.write("a.iso.asc", armour);
  fixture.write("dists/Packages.asc", `<script>${armour}`);
  fixture.write("n".repeat(255), ISO);
  await fixture.publish();
  await fixture.program.refreshNow();
  const signed = await fixture.get("/a.iso.meta4");
  expect(signed.headers.get("link")).toBe('<./a.iso.asc>; rel=describedby; type="application/pgp-signature"');
  expect(await signed.text()).toContain(
    `<signature mediatype="application/pgp-signature">\n${armour.replace("&", "&amp;").trimEnd()}\n    </signature>`,
  );
  const unsigned = await fixture.get("/dists/Packages.meta4");
  expect([unsigned.headers.get("link"), await unsigned.text()]).toEqual([null, expect.not.stringContaining("PGP")]);
  const long = await fixture.get(`/${"n".repeat(255)}`, { accept: "application/metalink4+xml" });
  expect([long.status, await long.text()]).toEqual([
    200,
    expect.stringContaining(`<hash type="sha-256">${sha256(ISO)}`),
  ]);
});

test("sixteen ranges of a file weigh as one file, what cannot be read as the whole", async () => {
  const fixture = await served();
  await mirror(fixture, "one");
  await expect.poll(async () => (await explained(fixture, "/a.iso")).ranked.length, PATIENCE).toBe(1);
  const part = ISO.length / 16;
  for (let start = 0; start < ISO.length; start += part)
    await whoServes(fixture, "/a.iso", { range: `bytes=${start}-${start + part - 1}` });
  expect(fixture.program.status().http.redirectedBytes).toBe(ISO.length);
  await whoServes(fixture, "/a.iso", { range: "pieces=1-2" });
  expect(fixture.program.status().http.redirectedBytes).toBe(2 * ISO.length);
});

test("between a commit and the look for it all files are of one release, also those asked for before", async () => {
  const fixture = await served({ refreshIntervalMs: 3_600_000 });
  await mirror(fixture, "one");
  await expect.poll(() => whoServes(fixture, "/a.iso"), PATIENCE).toBe("one");
  expect(await whoServes(fixture, "/dists/Packages")).toBe("one");
  fixture.write("a.iso", "j".repeat(50_000));
  fixture.write("dists/Packages", "q".repeat(20_000));
  await fixture.publish();
  // Neither the mirror nor central's own eyes moved on: what it would send is the new file, which nobody has.
  for (const [path, byte] of [
    ["/a.iso?1", "j"],
    ["/a.iso", "j"],
    ["/dists/Packages", "q"],
  ] as const) {
    // Another range, or it would be taken for the same request that failed.
    const response = await fixture.get(path, { range: "bytes=0-0" });
    expect([response.status, await response.text()]).toEqual([206, byte]);
  }
});

test("least-sent: mirrors take turns by what they were sent, and who looks at the head or asks for a list changes nothing", async () => {
  const fixture = await served({ redirects: { policy: "least-sent", minBytes: 0 } });
  for (const name of ["one", "two"]) await mirror(fixture, name);
  await expect.poll(async () => (await explained(fixture, "/a.iso")).ranked.length, PATIENCE).toBe(2);
  const names: string[] = [];
  for (let turn = 0; turn < 16; turn++) {
    const range = `bytes=${turn}-${turn + 999}`;
    await fetch(`${fixture.program.httpUrl}/a.iso`, { method: "HEAD", redirect: "manual" });
    await (await fixture.get("/a.iso.mirrorlist")).bytes();
    names.push(await whoServes(fixture, "/a.iso", { range }));
  }
  for (let pair = 0; pair < 16; pair += 2) expect(names.slice(pair, pair + 2).sort()).toEqual(["one", "two"]);
});
