import { connect } from "node:net";
import { expect, test, onTestFinished } from "vitest";
import { type RepoPath, repoPathFromText } from "../../../src/core/repo-path.ts";
import type { Entry } from "../../../src/manifest/entry.ts";
import { DEFAULT_HTTP_SERVER_OPTIONS, FILES_ROUTE, listenHttp } from "../../../src/net/http-server.ts";
import { type ListedDirectory, sendListing } from "../../../src/net/listing-response.ts";

/** A directory of files whose names are numbers of six digits. */
class NumberedFiles {
  release = 1;
  charged = 0;
  reads = 0;
  /** The read that fails. */
  failing = Infinity;
  readonly failures: unknown[] = [];
  address = "192.0.2.1";
  readonly #count: number;

  constructor(count: number) {
    this.#count = count;
  }

  listed(): ListedDirectory {
    return {
      read: (after, limit) => {
        this.reads++;
        if (this.reads >= this.failing) throw new Error("disk I/O error");
        const start = after === undefined ? 0 : Number(after.slice("d/".length)) + 1;
        return Array.from({ length: Math.min(limit, this.#count - start) }, (_, index) => entryOf(start + index));
      },
      release: () => this.release,
      charge: (requests) => void (this.charged += requests),
      address: this.address,
      onFailure: (error) => void this.failures.push(error),
    };
  }

  async serve(): Promise<string> {
    const options = { ...DEFAULT_HTTP_SERVER_OPTIONS, host: "127.0.0.1", port: 0, requestRate: undefined };
    const server = await listenHttp(options, (app) => {
      app.route({
        method: ["GET", "HEAD"],
        url: FILES_ROUTE,
        handler: (_request, reply) => sendListing(reply, "d" as RepoPath, this.listed()),
      });
    });
    onTestFinished(() => server[Symbol.asyncDispose]());
    return `${server.url}/d/`;
  }
}

function entryOf(number: number): Entry {
  const path = repoPathFromText(`d/${String(number).padStart(6, "0")}`);
  return { kind: "file", path, mode: 0o644, size: 1, mtimeNs: 0n, content: "0".repeat(64) as never };
}

function linksOf(page: string): readonly string[] {
  return [...page.matchAll(/href="\.\/(\d+)"/g)].map(([, name]) => name!);
}

test.each([0, 1, 199, 200, 201, 1_000, 20_001])(
  "a directory of %i files is one page, each name once",
  async (count) => {
    const files = new NumberedFiles(count);
    const response = await fetch(await files.serve());
    const page = await response.text();
    expect(linksOf(page)).toEqual(Array.from({ length: count }, (_, number) => String(number).padStart(6, "0")));
    expect(page.endsWith("</pre><hr></body></html>\n")).toBe(true);
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(response.headers.get("content-security-policy")).toBe("default-src 'none'");
    expect(files.charged).toBe(Math.floor(count / 100));
  },
);

test("HEAD of a large directory reads one piece", async () => {
  const files = new NumberedFiles(100_000);
  const response = await fetch(await files.serve(), { method: "HEAD" });
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
  expect([await response.text(), files.reads]).toEqual(["", 1]);
});

test("a page that would be of two releases is cut, so that nobody takes it for whole", async () => {
  const files = new NumberedFiles(900_000);
  const response = await fetch(await files.serve());
  files.release = 2;
  await expect(response.text()).rejects.toThrow();
});

/** How a request of HTTP/1.0, where the end of the connection is the end of the page, ends. */
async function endOfOldRequest(url: string, onData: () => void): Promise<"whole" | "cut"> {
  const { port, pathname } = new URL(url);
  const socket = connect(Number(port), "127.0.0.1");
  socket.on("data", onData);
  socket.write(`GET ${pathname} HTTP/1.0\r\nHost: localhost\r\n\r\n`);
  return await new Promise((resolve) => {
    socket.on("end", () => resolve("whole"));
    socket.on("error", () => resolve("cut"));
  });
}

test("a cut page is no whole one to HTTP/1.0 either", async () => {
  const files = new NumberedFiles(100_000);
  expect(await endOfOldRequest(await files.serve(), () => files.release++)).toBe("cut");
  expect(files.failures).toEqual([]);
  expect(await endOfOldRequest(await new NumberedFiles(1_000).serve(), () => undefined)).toBe("whole");
});

test("a directory that can't be read to its end is told, and cut", async () => {
  const files = new NumberedFiles(100_000);
  files.failing = 3;
  const response = await fetch(await files.serve());
  await expect(response.text()).rejects.toThrow();
  expect(files.failures.map(String)).toEqual(["Error: disk I/O error"]);
});

test("an address has four long listings under way; others, small ones and later ones are answered", async () => {
  const files = new NumberedFiles(900_000);
  const url = await files.serve();
  const under = [];
  for (let page = 0; page < 4; page++) under.push(await fetch(url));
  const refused = await fetch(url);
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "5"]);
  expect(await refused.json()).toMatchObject({ error: { code: "too-many-requests" } });
  expect((await fetch(url, { method: "HEAD" })).status).toBe(200);
  const small = new NumberedFiles(10);
  expect((await fetch(await small.serve())).status).toBe(200);
  files.address = "192.0.2.2";
  const other = await fetch(url);
  expect(other.status).toBe(200);
  files.address = "192.0.2.1";
  for (const response of [...under, other]) await response.body!.cancel();
  await expect
    .poll(async () => {
      const response = await fetch(url);
      await response.body!.cancel();
      return response.status;
    })
    .toBe(200);
});

test("who reads nothing makes central hold no more than a piece and what the connection takes", async () => {
  const files = new NumberedFiles(900_000);
  const response = await fetch(await files.serve());
  const reader = response.body!.getReader();
  await reader.read();
  const settled = async (): Promise<number> => {
    const before = files.reads;
    await new Promise((wake) => setTimeout(wake, 200));
    return files.reads - before;
  };
  await expect.poll(settled, { timeout: 10_000 }).toBe(0);
  expect(files.reads).toBeLessThan(2_250);
  await reader.cancel();
});

test("a quick request does not wait for a large page", async () => {
  const files = new NumberedFiles(900_000);
  const url = await files.serve();
  const large = fetch(url).then((response) => response.text());
  await expect.poll(() => files.reads).toBeGreaterThan(10);
  await (await fetch(url, { method: "HEAD" })).text();
  expect(files.reads).toBeLessThan(4_000);
  expect(linksOf(await large).length).toBe(900_000);
});

test("however many pages are under way, no more than a piece is made in a turn of the event loop", async () => {
  const files = new NumberedFiles(20_000);
  const url = await files.serve();
  let most = 0;
  let before = 0;
  let isOver = false;
  const look = (): void => {
    most = Math.max(most, files.reads - before);
    before = files.reads;
    if (!isOver) setImmediate(look);
  };
  setImmediate(look);
  const pages = Array.from({ length: 12 }, async (_, index) => {
    files.address = `192.0.2.${index}`;
    await (await fetch(url)).text();
  });
  await Promise.all(pages);
  isOver = true;
  // One before this looks and one after it.
  expect(most).toBeLessThanOrEqual(2);
});
