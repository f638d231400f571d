import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LoopbackCentral } from "../support/loopback-central.ts";
import { RunningProgram } from "../support/program.ts";

/** One piece each, so that each is whole soon. */
const PACKAGES = Array.from({ length: 20 }, (_, index) => `pool/new ${index}.deb`);
const PACKAGE_BYTES = 4_000;
/** A release later, so that packages don't wait for pieces of it. */
const IMAGE = "images/new.iso";
const INDEX = "dists/stable/main/binary-amd64/Packages";

/** In KiB/s: the packages come within seconds, the image takes half an hour, longer than all tries of these tests. */
const LIMIT = ["--bwlimit", "0:10"];
const IMAGE_BYTES = 20_000_000;

const PATIENCE = { timeout: 100_000, interval: 100 };

/** Central and two mirrors that hold its first release and don't get all of the third while tests run. */
describe("customers get a release from mirrors that are still fetching it", () => {
  const central = new LoopbackCentral("early-customers");
  let mirrors: readonly RunningProgram[] = [];

  beforeAll(async () => {
    write("pool/old.deb", randomBytes(60_000));
    write(INDEX, randomBytes(60_000));
    await central.publish();
    await central.serve(["--announce-interval", "10s", "--serve-below", "1K"]);
    await central.sync("one");
    await central.sync("two");
    for (const path of PACKAGES) write(path, randomBytes(PACKAGE_BYTES));
    await central.publish();
    write(IMAGE, randomBytes(IMAGE_BYTES));
    write(INDEX, randomBytes(60_000));
    await central.publish();
    mirrors = [await daemon("one"), await daemon("two")];
  });

  afterAll(async () => {
    for (const mirror of mirrors) await mirror.stop("SIGKILL");
    await central[Symbol.asyncDispose]();
  });

  test("what one of them has whole is given by it, exactly and in part; it holds the release before", async () => {
    const { path, location } = await firstRedirect();
    const bytes = readFileSync(join(central.tree, path));
    const whole = await fetch(location, { redirect: "manual" });
    expect([whole.status, Buffer.from(await whole.arrayBuffer()).equals(bytes)]).toEqual([200, true]);
    const part = await fetch(location, { redirect: "manual", headers: { range: "bytes=3000-" } });
    expect([part.status, Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(3_000))]).toEqual([206, true]);
    expect(await heldAt(location)).toBe("release 1\n");
  });

  test("what it lacks it sends back, and central gives it; index files are no mirror's before it has all", async () => {
    expect(await givenBy(mirrors[0]!, IMAGE)).toBe(`302 ${central.url}/${IMAGE}?origin=1`);
    const followed = await fetch(`${mirrors[0]!.ready.http}/${IMAGE}?sha256=${published(IMAGE)}`);
    expect(followed.url).toBe(`${central.url}/${IMAGE}?origin=1`);
    expect(sha256(Buffer.from(await followed.arrayBuffer()))).toBe(published(IMAGE));
    const index = await fetch(`${central.url}/${INDEX}`, { redirect: "manual" });
    expect([index.status, sha256(Buffer.from(await index.arrayBuffer()))]).toEqual([200, published(INDEX)]);
  });

  test("a mirror is killed while it fetches: after its next start it gives nothing that it has not proved again", async () => {
    const [spoilt, intact] = PACKAGES as [string, string];
    for (const path of [spoilt, intact]) await expect.poll(() => givenBy(mirrors[1]!, path), PATIENCE).toBe("exact");
    await mirrors[1]!.stop("SIGKILL");
    spoilPart(spoilt);
    mirrors = [mirrors[0]!, await daemon("two")];
    const answers = new Set<string>();
    const askBoth = async (): Promise<string> => {
      answers.add(await givenBy(mirrors[1]!, spoilt));
      return await givenBy(mirrors[1]!, intact);
    };
    await expect.poll(askBoth, { ...PATIENCE, interval: 5 }).toBe("exact");
    answers.add(await givenBy(mirrors[1]!, spoilt));
    const sentBack = `302 ${central.url}/${encodeURI(spoilt)}?origin=1`;
    expect(["exact", sentBack]).toEqual(expect.arrayContaining([...answers]));
    await expect.poll(() => givenBy(mirrors[1]!, spoilt), PATIENCE).toBe("exact");
    expect(await heldAt(mirrors[1]!.ready.http)).toBe("release 1\n");
  });

  /** Of a mirror that was invited before. */
  async function daemon(name: string): Promise<RunningProgram> {
    const words = ["daemon", central.mirror(name), "--listen", "127.0.0.1:0", "--peer-port", "0", ...LIMIT];
    return await RunningProgram.start(words, { env: central.env });
  }

  /** Of the first of the new packages for which central names a mirror. */
  async function firstRedirect(): Promise<{ readonly path: string; readonly location: string }> {
    for (;;) {
      for (const path of PACKAGES) {
        const answer = await fetch(`${central.url}/${encodeURI(path)}`, { method: "HEAD", redirect: "manual" });
        const location = answer.headers.get("location");
        if (location !== null) return { path, location };
      }
      await sleep(100);
    }
  }

  /** What a mirror answers to who asks for exactly this content: "exact" if it gives that itself. */
  async function givenBy({ ready }: RunningProgram, path: string): Promise<string> {
    const asked = `${ready.http}/${encodeURI(path)}?sha256=${published(path)}`;
    const answer = await fetch(asked, { redirect: "manual" });
    const bytes = Buffer.from(await answer.arrayBuffer());
    if (answer.status === 200) return sha256(bytes) === published(path) ? "exact" : "wrong bytes";
    return `${answer.status} ${answer.headers.get("location")}`;
  }

  async function heldAt(address: string): Promise<string> {
    return await (await fetch(new URL("/.prsync/ready", address))).text();
  }

  /** Other bytes in a part that was whole. */
  function spoilPart(path: string): void {
    const part = join(central.mirror("two"), ".prsync/staging", `${published(path)}.part`);
    expect(sha256(readFileSync(part))).toBe(published(path));
    writeFileSync(part, randomBytes(PACKAGE_BYTES));
  }

  function write(path: string, bytes: Uint8Array): void {
    mkdirSync(dirname(join(central.tree, path)), { recursive: true });
    writeFileSync(join(central.tree, path), bytes);
  }

  function published(path: string): string {
    return sha256(readFileSync(join(central.tree, path)));
  }

  function sha256(bytes: Uint8Array): string {
    return createHash("sha256").update(bytes).digest("hex");
  }
});
