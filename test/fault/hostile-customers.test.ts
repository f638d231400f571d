import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LoopbackCentral } from "../support/loopback-central.ts";
import { PausedDownload } from "../support/paused-download.ts";
import type { RunningProgram } from "../support/program.ts";
import { openFilesOf, socketsOf } from "../support/process-sockets.ts";
import { statusOf } from "../support/raw-http.ts";
import { randomBytesOf, sha256Of } from "../support/sample-tree.ts";

/** More than all buffers between a server and a customer that does not read. */
const LARGE_BYTES = 8_000_000;
const MTIME_SECONDS = 1_700_000_000;
const SMALL = "small.txt";
const PACKAGE = "pool/package.deb";

type Damage = (path: string) => void;
/** What becomes of a file while a customer fetches it. The descriptor of who sends it leads to the same bytes as before. */
const OTHER_NAMES: readonly (readonly [string, Damage])[] = [
  ["removed", (path) => rmSync(path)],
  [
    "replaced",
    (path) => {
      writeFileSync(`${path}.new`, randomBytes(1_000));
      renameSync(`${path}.new`, path);
    },
  ],
];
/** Or to others. */
const OTHER_BYTES: readonly (readonly [string, Damage])[] = [
  ["cut to half its length", (path) => truncateSync(path, LARGE_BYTES / 2)],
  ["overwritten near its end", (path) => overwrite(path)],
  // Only the hash tells that from a link that went.
  [
    "overwritten and its time set back",
    (path) => {
      overwrite(path);
      utimesSync(path, MTIME_SECONDS, MTIME_SECONDS);
    },
  ],
];
const LEFT = "left by its customers";
const FILES = [...OTHER_NAMES, ...OTHER_BYTES, [LEFT] as const].map(
  ([name]) => `images/${name.replaceAll(" ", "-")}.iso`,
);

const HOSTILE_FIELDS: readonly (readonly [string, string])[] = [
  ["another Host", "Host: evil.example"],
  ["a Host with a port", "Host: evil.example:80"],
  ["a Host that is a target", "Host: evil.example/x?y#z"],
  ["X-Forwarded-Host", "Host: x\r\nX-Forwarded-Host: evil.example"],
  ["Forwarded", "Host: x\r\nForwarded: host=evil.example;proto=https"],
  ["X-Forwarded-Proto and Referer", "Host: x\r\nX-Forwarded-Proto: evil\r\nReferer: http://evil.example/"],
];
/** Redirects of every kind and answers that name places. */
const TARGETS = [
  `/${PACKAGE}`,
  `/${PACKAGE}.meta4`,
  `/${PACKAGE}.mirrorlist`,
  `/${SMALL}.metalink`,
  "/images",
  "/nowhere",
  `/${PACKAGE}?sha256=${"0".repeat(64)}`,
  `/${PACKAGE}?explain=json`,
];

/** Central and a full mirror, both as programs. */
describe("customers of central and of a mirror", () => {
  const central = new LoopbackCentral("hostile-customers");
  let mirror: RunningProgram;
  let served: RunningProgram;
  const published = new Map<string, Buffer>();

  beforeAll(async () => {
    for (const directory of ["images", "pool"]) mkdirSync(join(central.tree, directory));
    for (const [index, path] of FILES.entries()) write(path, randomBytesOf(index + 1, LARGE_BYTES));
    write(SMALL, Buffer.from("small\n"));
    write(PACKAGE, randomBytesOf(99, 300_000));
    await central.publish();
    served = await central.serve(["--announce-interval", "10s", "--audit-interval", "0s", "--open"]);
    mirror = await central.daemon("mirror");
    await mirror.waitFor(({ event }) => event === "synced");
  });

  afterAll(async () => {
    await mirror.stop();
    await central[Symbol.asyncDispose]();
  });

  test("central sends them to the mirror", async () => {
    await expect.poll(() => isSentToMirror(PACKAGE)).toBe(true);
  });

  test.each(OTHER_NAMES)("H13 a file is %s while it is sent: the transfer goes on to its end", async (name, damage) => {
    const path = pathOf(name);
    const downloads = await Promise.all(places().map(({ url }) => PausedDownload.begin(`${url}/${path}?origin=1`)));
    for (const { directory } of places()) damage(join(directory, path));
    for (const download of downloads) {
      const { bytes, isWhole } = await download.rest();
      expect([isWhole, sha256Of(bytes)]).toEqual([true, sha256Of(published.get(path)!)]);
    }
    await expect.poll(filesWithoutUse).toEqual([]);
  });

  test("H13 who goes away in the middle leaves no file open, whatever became of its name", async () => {
    const path = pathOf(LEFT);
    const downloads = await Promise.all(places().map(({ url }) => PausedDownload.begin(`${url}/${path}?origin=1`)));
    expect(filesWithoutUse()).not.toEqual([]);
    for (const { directory } of places()) rmSync(join(directory, path));
    for (const download of downloads) download.abort();
    await expect.poll(filesWithoutUse).toEqual([]);
  });

  test.each(OTHER_BYTES)(
    "H14 H15 a file is %s while it is sent: the connection is cut, and nobody gets other bytes",
    async (name, damage) => {
      const path = pathOf(name);
      const bytes = published.get(path)!;
      for (const { url, directory } of places()) {
        const download = await PausedDownload.begin(`${url}/${path}?origin=1`);
        damage(join(directory, path));
        const received = await download.rest();
        expect(received.isWhole ? received.bytes.equals(bytes) : isPrefix(received.bytes, bytes), url).toBe(true);
      }
      // The mirror has no other copy: it cuts, and sends the next one back.
      const again = await fetch(`${mirror.ready.http}/${path}`, { redirect: "manual" });
      expect([again.status, again.headers.get("location")]).toEqual([302, `${central.url}/${path}?origin=1`]);
    },
  );

  test.each(HOSTILE_FIELDS)("H06 %s leads nobody elsewhere", async (_name, field) => {
    for (const target of TARGETS) {
      for (const { url } of places()) {
        const plain = await answerTo(url, target, `Host: ${new URL(url).host}`);
        const hostile = await answerTo(url, target, field);
        expect(hostile, `${url} ${target}`).not.toMatch(/evil/i);
        expect(firstLine(hostile), `${url} ${target}`).toBe(firstLine(plain));
      }
    }
  });

  test("H22 no answer that a shared cache keeps depends on a field that it does not name, or holds what was sent", async () => {
    const odd = ["X-Original-URL: /evil", "X-Forwarded-Proto: https", "Cookie: evil", "Origin: http://evil.example"];
    for (const target of [`/${SMALL}`, "/images/", "/images", `/${PACKAGE}`, "/nowhere"]) {
      for (const { url } of places()) {
        const plain = await answerTo(url, target, "Host: x");
        for (const field of odd) {
          const answer = await answerTo(url, target, `Host: x\r\n${field}`);
          expect(bodyOf(answer), `${url} ${target} ${field}`).toBe(bodyOf(plain));
        }
        expect(await answerTo(url, `${target}?evil=<script>&sha257=0`, "Host: x"), target).not.toContain("<script");
        // Who is sent elsewhere, or told to come again, is not to be remembered by a cache for others.
        if (!/^HTTP\/1\.1 (200|301) /.test(plain))
          expect(plain, `${url} ${target}`).toMatch(/^cache-control: no-store\r$/im);
      }
    }
    const served = await answerTo(central.url, `/${SMALL}`, "Host: x");
    expect(served).toMatch(/^vary: Accept\r$/im);
  });

  test("T04 T05 nothing listens for datagrams, and there is no scrape to make much of little", async () => {
    for (const { child } of [served, mirror]) {
      expect(socketsOf(child.pid!, ["tcp", "tcp6"])).not.toEqual([]);
      expect(socketsOf(child.pid!, ["udp", "udp6", "udplite", "udplite6"])).toEqual([]);
    }
    const scrape = await fetch(`${central.url}/.prsync/scrape?${"info_hash=%aa%aa&".repeat(400)}`);
    const answer = await scrape.text();
    expect([scrape.status, answer.length < 500]).toEqual([404, true]);
  });

  test("H11 idle connections of many addresses and strangers by the hundred cost an honest customer no answer", async () => {
    const idle: Socket[] = [];
    const port = Number(new URL(central.url).port);
    // One address more than its share, two others as many as they may.
    for (const [host, count] of [
      ["127.0.0.2", 1_100],
      ["127.0.0.3", 900],
      ["127.0.0.4", 900],
    ] as const)
      for (let number = 0; number < count; number++) idle.push(connectFrom(host, port).resume());
    const closed = (from: number, to: number): number => idle.slice(from, to).filter((socket) => socket.closed).length;
    await expect.poll(() => closed(0, 1_100)).toBe(100);
    expect(closed(1_100, idle.length)).toBe(0);
    const strangers = setInterval(() => {
      for (let number = 0; number < 20; number++) idle.push(connectFrom("127.0.0.5", port).resume());
    }, 100);
    for (let turn = 0; turn < 50; turn++) {
      const answer = await fetch(`${central.url}/${SMALL}?${turn}`);
      expect(await answer.text()).toBe("small\n");
    }
    clearInterval(strangers);
    for (const socket of idle) socket.destroy();
  });

  function places(): readonly { readonly url: string; readonly directory: string }[] {
    return [
      { url: mirror.ready.http, directory: central.mirror("mirror") },
      { url: central.url, directory: central.tree },
    ];
  }

  /** What is open for transfers: at central all of TREE and of retained contents, at the mirror what it would not keep open for the next customer. */
  function filesWithoutUse(): readonly string[] {
    const isContent = (path: string): boolean =>
      path.startsWith(central.tree) && /\/(images|contents\/..)\/[^/]+$/.test(path);
    const ofMirror = openFilesOf(mirror.child.pid!).filter((path) => path.endsWith("(deleted)"));
    return [...openFilesOf(served.child.pid!).filter(isContent), ...ofMirror];
  }

  function pathOf(name: string): string {
    return `images/${name.replaceAll(" ", "-")}.iso`;
  }

  function write(path: string, bytes: Buffer): void {
    published.set(path, bytes);
    writeFileSync(join(central.tree, path), bytes);
    utimesSync(join(central.tree, path), MTIME_SECONDS, MTIME_SECONDS);
  }

  async function isSentToMirror(path: string): Promise<boolean> {
    const answer = await fetch(`${central.url}/${path}?explain=json`);
    return ((await answer.json()) as { readonly ranked: readonly object[] }).ranked.length === 1;
  }
});

function overwrite(path: string): void {
  const bytes = readFileSync(path);
  bytes.fill(0, LARGE_BYTES - 1_000);
  writeFileSync(path, bytes, { flag: "r+" });
}

function isPrefix(bytes: Buffer, whole: Buffer): boolean {
  return bytes.length < whole.length && bytes.equals(whole.subarray(0, bytes.length));
}

/** All that comes for one GET of a customer of its own; `fields` as in a head, each but the last with its end. */
async function answerTo(url: string, target: string, fields: string): Promise<string> {
  customers++;
  const socket = connectFrom(`127.1.${customers >> 8}.${customers & 255}`, Number(new URL(url).port));
  socket.setEncoding("latin1").write(`GET ${target} HTTP/1.1\r\n${fields}\r\nConnection: close\r\n\r\n`);
  const answer = (await socket.toArray()).join("");
  expect(statusOf(answer), target).toBeGreaterThan(0);
  return answer;
}
let customers = 0;

function firstLine(answer: string): string {
  return answer.slice(0, answer.indexOf("\r\n"));
}

function bodyOf(answer: string): string {
  return answer.slice(answer.indexOf("\r\n\r\n"));
}

function connectFrom(localAddress: string, port: number): Socket {
  return connect({ host: "127.0.0.1", port, localAddress }).on("error", () => undefined);
}
