import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LoopbackCentral } from "../support/loopback-central.ts";
import { run, type RunningProgram } from "../support/program.ts";

const POOL = Array.from({ length: 12 }, (_, index) => `pool/package ${index}.deb`);
const INDEX = "dists/stable/main/binary-amd64/Packages";

interface Explained {
  readonly ranked: readonly { readonly name: string }[];
  readonly rejected: readonly { readonly name: string; readonly reason: string }[];
}

/** Central, a mirror that follows and one whose syncs can be held back, and customers that know nothing of PRsync. */
describe("customers are sent to mirrors", () => {
  const central = new LoopbackCentral("redirects");
  const holdBack = join(central.directory, "hold-back");
  let fresh: RunningProgram;
  let stale: RunningProgram;

  beforeAll(async () => {
    for (const path of POOL) write(path, randomBytes(300_000));
    write(INDEX, randomBytes(200_000));
    await central.publish();
    await central.serve(["--announce-interval", "10s", "--access-log", accessLog("central")]);
    fresh = await central.daemon("fresh", ["--access-log", accessLog("fresh")]);
    stale = await central.daemon("stale", ["--pre-sync", `test ! -e '${holdBack}'`]);
    await fresh.waitFor(({ event }) => event === "synced");
    await stale.waitFor(({ event }) => event === "synced");
  }, 120_000);

  afterAll(async () => {
    await fresh.stop();
    await stale.stop("SIGKILL");
    await central[Symbol.asyncDispose]();
  });

  test("curl, wget and fetch get exact bytes from mirrors, none from central", async () => {
    await expect.poll(() => eligible(POOL[0]!), { timeout: 30_000 }).toEqual(["fresh", "stale"]);
    const before = await metric("prsync_customer_bytes_total");
    for (const [index, path] of POOL.entries()) {
      const target = join(central.directory, `got-${index}`);
      const [command, words] = (
        [
          ["curl", ["-fsSL", "-o", target, url(path)]],
          ["wget", ["-q", "-O", target, url(path)]],
          [process.execPath, ["-e", FETCH, url(path), target]],
        ] as const
      )[index % 3]!;
      await run(command, words);
      expect(sha256(readFileSync(target))).toBe(published(path));
    }
    expect(await metric("prsync_customer_bytes_total")).toBe(before);
    expect(await metric("prsync_customer_redirects_total")).toBeGreaterThanOrEqual(POOL.length);
  });

  test("aria2 takes a metalink and has the exact bytes from mirrors", async () => {
    const before = await metric("prsync_customer_bytes_total");
    const path = POOL[1]!;
    // Its Accept names metalinks, so that both ways lead to one.
    for (const [way, address] of [`${url(path)}.meta4`, url(path)].entries()) {
      const directory = join(central.directory, `aria2-${way}`);
      await run("aria2c", ["-q", "--follow-metalink=mem", "-d", directory, address]);
      expect(sha256(readFileSync(join(directory, basename(path))))).toBe(published(path));
    }
    expect(await metric("prsync_customer_bytes_total")).toBe(before);
  });

  test("each request is a line of an access log, at central and at the mirror, also in a file put in its place", async () => {
    const path = POOL[2]!;
    const ask = async (from: string): Promise<void> => {
      await (await fetch(`${from}/${encodeURI(path)}`, { redirect: "manual" })).arrayBuffer();
    };
    const request = `"GET /${encodeURI(path)} HTTP/1.1"`;
    await ask(central.url);
    await expect.poll(() => linesOf("central", request)).toMatch(/" 302 0 "-" "node"$/m);
    renameSync(accessLog("fresh"), accessLog("fresh.1"));
    await ask(fresh.ready.http);
    await expect.poll(() => linesOf("fresh", request)).toMatch(/^127\.0\.0\.1 - - .*" 200 300000 "-" "node"$/m);
  });

  test("a mirror that stays behind gets no index files, and gives nothing old under a new name", async () => {
    writeFileSync(holdBack, "");
    write(INDEX, randomBytes(200_000));
    write(POOL[0]!, randomBytes(300_000));
    await central.publish();
    await expect.poll(() => eligible(INDEX), { timeout: 30_000 }).toEqual(["fresh"]);
    expect(await reasonOf(INDEX, "stale")).toBe("older-release");
    expect(await reasonOf(POOL[0]!, "stale")).toBe("not-held");
    expect(await eligible(POOL[1]!)).toEqual(["fresh", "stale"]);
    for (let turn = 0; turn < 10; turn++) {
      const answer = await fetch(url(INDEX), { headers: { range: `bytes=${turn}-` }, redirect: "manual" });
      expect(answer.headers.get("location")).toMatch(fresh.ready.http);
    }
    // As if central had believed it: the mirror sends back, central has the new bytes.
    const asked = `${stale.ready.http}/${encodeURI(POOL[0]!)}?sha256=${published(POOL[0]!)}`;
    const target = join(central.directory, "sent-back");
    const hops = await run("curl", ["-fsSL", "-o", target, "-w", "%{num_redirects} %{url_effective}", asked]);
    expect(hops).toBe(`1 ${url(POOL[0]!)}?origin=1`);
    expect(sha256(readFileSync(target))).toBe(published(POOL[0]!));
  });

  test("a mirror is killed: each customer's next try succeeds, and soon nobody is sent there", async () => {
    await stale.stop("SIGKILL");
    const tries: number[] = [];
    for (const path of POOL.slice(1)) tries.push(await triesNeeded(path));
    expect(Math.max(...tries)).toBeLessThanOrEqual(2);
    await expect.poll(() => eligible(POOL[1]!), { timeout: 40_000 }).toEqual(["fresh"]);
    expect(await reasonOf(POOL[1]!, "stale")).toBe("silent");
  }, 60_000);

  function write(path: string, bytes: Uint8Array): void {
    mkdirSync(dirname(join(central.tree, path)), { recursive: true });
    writeFileSync(join(central.tree, path), bytes);
  }

  function accessLog(name: string): string {
    return join(central.directory, `${name}.access.log`);
  }

  function linesOf(name: string, request: string): string {
    const lines = readFileSync(accessLog(name), "latin1").split("\n");
    return lines.filter((line) => line.includes(request)).join("\n");
  }

  function url(path: string): string {
    return `${central.url}/${encodeURI(path)}`;
  }

  function published(path: string): string {
    return sha256(readFileSync(join(central.tree, path)));
  }

  async function explained(path: string): Promise<Explained> {
    return (await (await fetch(`${url(path)}?explain=json`)).json()) as Explained;
  }

  async function eligible(path: string): Promise<readonly string[]> {
    return (await explained(path)).ranked.map(({ name }) => name).sort();
  }

  async function reasonOf(path: string, name: string): Promise<string | undefined> {
    return (await explained(path)).rejected.find((rejection) => rejection.name === name)?.reason;
  }

  async function metric(name: string): Promise<number> {
    const text = await (await fetch(`${central.url}/.prsync/metrics`)).text();
    return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)![1]);
  }

  /** How often a customer has to ask until it has the exact bytes; any other bytes fail the test. */
  async function triesNeeded(path: string): Promise<number> {
    for (let tries = 1; ; tries++) {
      const bytes = await fetch(url(path)).then(
        (answer) => answer.bytes(),
        () => undefined,
      );
      if (bytes === undefined) continue;
      expect(sha256(bytes)).toBe(published(path));
      return tries;
    }
  }
});

const FETCH = `fetch(process.argv[1]).then(async (answer) => {
  if (answer.status !== 200) process.exit(1);
  require("node:fs").writeFileSync(process.argv[2], await answer.bytes());
})`;

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
