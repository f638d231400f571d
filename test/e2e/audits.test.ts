import { createHash, randomBytes } from "node:crypto";
import { createReadStream, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LoopbackCentral } from "../support/loopback-central.ts";
import { type RunningProgram, runPrsync } from "../support/program.ts";

const FILES = Array.from({ length: 4 }, (_, index) => `package-${index}.deb`);
const CUSTOMER_AGENT = "Debian APT-HTTP/1.3 (2.6.1)";

interface Explained {
  readonly ranked: readonly { readonly name: string }[];
  readonly rejected: readonly { readonly name: string; readonly reason: string; readonly detail?: string }[];
}

/** Two mirrors, one of them behind a web server of its own that sends what lies on its disk, as nginx does. */
const central = new LoopbackCentral("audits");
const AUDITORS = ["127.0.0.2", "127.0.0.3"];
const asked: { readonly headers: IncomingHttpHeaders; readonly from: string | undefined }[] = [];
let sound: RunningProgram;
let rotten: RunningProgram;
let web: Server;

beforeAll(async () => {
  for (const name of FILES) writeFileSync(join(central.tree, name), randomBytes(200_000));
  await central.publish();
  const auditors = AUDITORS.flatMap((address) => ["--audit-from", address]);
  await central.serve(["--announce-interval", "10s", "--audit-interval", "3s", ...auditors]);
  mkdirSync(central.mirror("rotten"), { recursive: true });
  web = createServer((request, response) => {
    asked.push({ headers: request.headers, from: request.socket.remoteAddress });
    const path = join(central.mirror("rotten"), decodeURIComponent(request.url!.split("?")[0]!));
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "bytes=0-")!;
    const total = statSync(path).size;
    const [start, end] = [Number(first), last === "" ? total - 1 : Number(last)];
    response.writeHead(request.headers.range === undefined ? 200 : 206, {
      "Content-Length": end - start + 1,
      "Content-Range": `bytes ${start}-${end}/${total}`,
    });
    createReadStream(path, { start, end }).pipe(response);
  }).listen(0, "127.0.0.1");
  await new Promise((listening) => web.once("listening", listening));
  const url = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
  // Audits reach it as customers do: by signed URLs.
  sound = await central.daemon("sound", ["--only-redirected"]);
  rotten = await central.daemon("rotten", ["--public-url", url]);
  for (const mirror of [sound, rotten]) await mirror.waitFor(({ event }) => event === "synced");
}, 120_000);

afterAll(async () => {
  await sound.stop();
  await rotten.stop();
  web.closeAllConnections();
  web.close();
  await central[Symbol.asyncDispose]();
});

test("a mirror whose disk rots gets no customers any more, is shown with the reason, and comes back once it is mended", async () => {
  await expect.poll(() => eligible(), { timeout: 30_000 }).toEqual(["rotten", "sound"]);
  await customersCome();
  const names = FILES.map((name) => join(central.mirror("rotten"), name));
  const before = names.map((name) => ({ name, bytes: readFileSync(name), stat: statSync(name) }));
  // Behind the daemon's back and without a trace in its own memory: the web server alone reads the disk.
  for (const { name } of before) writeFileSync(name, randomBytes(200_000));
  await expect.poll(() => eligible(), { timeout: 60_000 }).toEqual(["sound"]);
  const { rejected } = await explained();
  expect(rejected).toMatchObject([{ name: "rotten", reason: "audit-failed" }]);
  expect(rejected[0]!.detail).toBe("wrong bytes");
  const listed = await runPrsync(["volunteers", central.tree], { env: central.env });
  expect(listed.stdout).toMatch(/^rotten\t.*, no customers: wrong bytes$/m);
  expect(await (await fetch(`${central.url}/.prsync/status`)).text()).toContain("none: wrong bytes");
  await customersCome();
  for (const { name, bytes } of before) writeFileSync(name, bytes);
  await expect.poll(() => eligible(), { timeout: 60_000 }).toEqual(["rotten", "sound"]);
}, 180_000);

test("an audit looks like a customer: its headers, another address than central's, nothing of central", async () => {
  const audited = (): typeof asked => asked.filter(({ headers }) => headers["user-agent"] === "Wget/1.21.3");
  // They go on, each from one of the addresses, drawn by chance.
  await expect.poll(() => new Set(audited().map(({ from }) => from)), { timeout: 60_000 }).toEqual(new Set(AUDITORS));
  const audits = audited();
  expect(audits.length).toBeGreaterThan(2);
  for (const { headers } of audits) {
    const { range, accept, "user-agent": _agent, ...others } = headers;
    // Files of 200 kB are asked for whole.
    expect([range, accept]).toEqual([undefined, "*/*"]);
    expect(Object.keys(others).sort()).toEqual(["accept-encoding", "connection", "host"]);
    expect(others["accept-encoding"]).toBe("identity");
  }
}, 90_000);

test("customers that a mirror sends back are shown", async () => {
  // A range that nobody asked for: else it would be taken for one that failed.
  const part = { redirect: "manual", headers: { range: "bytes=7-9" } } as const;
  const location = (await fetch(`${central.url}/${FILES[0]!}`, part)).headers.get("location")!;
  const name = location.includes(`:${(web.address() as AddressInfo).port}/`) ? "rotten" : "sound";
  await fetch(`${central.url}/${FILES[0]!}?origin=1`);
  const listed = await runPrsync(["volunteers", central.tree], { env: central.env });
  expect(listed.stdout).toMatch(new RegExp(`^${name}\t.*, customers sent back: 1 \\(networks lately: 1\\)$`, "m"));
  // A page is shown for up to a second, perhaps that of the test before.
  const page = async (): Promise<string> => await (await fetch(`${central.url}/.prsync/status`)).text();
  await expect.poll(page, { timeout: 5_000 }).toContain("<td>1 (networks lately: 1)");
});

test("serve refuses to audit from an address that is not its host's", async () => {
  const other = new LoopbackCentral("audit-from");
  writeFileSync(join(other.tree, "x"), "x");
  await other.publish();
  const words = ["serve", other.tree, "--listen", "127.0.0.1:0", "--peer-port", "0", "--audit-from"];
  const refused = await runPrsync([...words, "192.0.2.77"], { env: other.env });
  expect([refused.code, refused.stderr]).toEqual([
    1,
    expect.stringContaining("expected an address of this host to audit from, got 192.0.2.77"),
  ]);
  const wrong = await runPrsync([...words, "north"], { env: other.env });
  expect(wrong.stderr).toContain('--audit-from: expected an IP address of this host, got "north"');
  await other[Symbol.asyncDispose]();
});

/** Each gets the exact bytes, also while a mirror is rotten: nobody is sent there. */
async function customersCome(): Promise<void> {
  for (const name of FILES) {
    const answer = await fetch(`${central.url}/${name}`, { headers: { "user-agent": CUSTOMER_AGENT } });
    const expected = createHash("sha256")
      .update(readFileSync(join(central.tree, name)))
      .digest("hex");
    expect(
      createHash("sha256")
        .update(await answer.bytes())
        .digest("hex"),
    ).toBe(expected);
  }
}

async function explained(): Promise<Explained> {
  return (await (await fetch(`${central.url}/${FILES[0]!}?explain=json`)).json()) as Explained;
}

async function eligible(): Promise<readonly string[]> {
  return (await explained()).ranked.map(({ name }) => name).sort();
}
