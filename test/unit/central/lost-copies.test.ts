import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CentralFixture } from "../../support/central-fixture.ts";

const sha256 = (bytes: string): string => createHash("sha256").update(bytes).digest("hex");
/** Below and above what central serves itself. */
const FILES = { "small.txt": "small\n", "a.iso": "i".repeat(50_000), "b.iso": "b".repeat(50_000) } as const;
const PATIENCE = { timeout: 20_000 };

interface Answer {
  readonly status: number;
  readonly location: string | null;
  readonly retryAfter: string | null;
}

/** Central whose copies went away, with `mirrors` full mirrors that announced. `more`: names of further files. */
async function withoutCopies(mirrors: number, more: readonly string[] = []): Promise<CentralFixture> {
  const fixture = new CentralFixture();
  for (const [path, bytes] of Object.entries(FILES)) fixture.write(path, bytes);
  for (const path of more) fixture.write(path, path.repeat(4_000));
  await fixture.publish();
  await fixture.serve();
  for (let number = 1; number <= mirrors; number++) {
    const volunteer = await fixture.volunteer(`m${number}`);
    await volunteer.announce({ body: { url: `http://127.0.0.1:1/m${number}` } });
  }
  await expect.poll(() => rankedOf(fixture), PATIENCE).toBe(mirrors);
  rmSync(join(fixture.directory, "work/contents"), { recursive: true });
  for (const path of Object.keys(FILES)) fixture.write(path, "another content", 784_222_222);
  return fixture;
}

async function rankedOf(fixture: CentralFixture): Promise<number> {
  const answer = (await (await fixture.get("/a.iso?explain=json")).json()) as { readonly ranked: readonly object[] };
  return answer.ranked.length;
}

async function ask(fixture: CentralFixture, target: string, headers: Record<string, string> = {}): Promise<Answer> {
  const { status, headers: fields } = await fixture.get(target, headers);
  return { status, location: fields.get("location"), retryAfter: fields.get("retry-after") };
}

test("what central lost is had from whoever holds it: small files and requests that it would serve itself", async () => {
  const fixture = await withoutCopies(1);
  const placeOf = (path: keyof typeof FILES): Partial<Answer> => ({
    status: 302,
    location: `http://127.0.0.1:1/m1/${path}?sha256=${sha256(FILES[path])}`,
  });
  expect(await ask(fixture, "/small.txt")).toMatchObject(placeOf("small.txt"));
  expect(await ask(fixture, "/small.txt", { range: "bytes=2-" })).toMatchObject(placeOf("small.txt"));
  // Asked again and again the last resort would be central.
  for (let turn = 0; turn < 4; turn++) expect(await ask(fixture, "/a.iso")).toMatchObject(placeOf("a.iso"));
  expect(fixture.program.status().http.customerRedirects).toBe(6);
});

test("of several holders the next one is named when the same is asked for again", async () => {
  const fixture = await withoutCopies(2);
  const asked: (string | undefined)[] = [];
  for (let turn = 0; turn < 2; turn++) asked.push(/m\d/.exec((await ask(fixture, "/small.txt")).location ?? "")?.[0]);
  expect(asked.sort()).toEqual(["m1", "m2"]);
});

test("who was sent back by one goes to another one, then is told to come again; nobody has failed it by that", async () => {
  const others = Array.from({ length: 40 }, (_, index) => `other-${index}.iso`);
  const fixture = await withoutCopies(3, others);
  const asked: (string | undefined)[] = [];
  for (const target of ["/a.iso", "/a.iso?origin=1", "/a.iso?origin=1"]) {
    const { location } = await ask(fixture, target);
    asked.push(location === null ? undefined : /m\d/.exec(location)?.[0]);
  }
  expect(new Set(asked).size).toBe(3);
  expect(asked[2]).toBeUndefined();
  expect(fixture.program.status().http.customerMisses).toBe(2);
  // Those two lack this content, and the third is the one to ask again; all else is had from any.
  expect((await ask(fixture, "/a.iso")).location).toContain("/m");
  const first = new Set<string | undefined>();
  for (const path of others) first.add(/m\d/.exec((await ask(fixture, `/${path}`)).location ?? "")?.[0]);
  expect([...first].sort()).toEqual(["m1", "m2", "m3"]);
});

test("who asked for several ranges before is sent on all the same", async () => {
  const fixture = await withoutCopies(4);
  for (const range of ["bytes=0-9", "bytes=10-19", "bytes=20-29"]) await ask(fixture, "/a.iso", { range });
  expect((await ask(fixture, "/a.iso?origin=1", { range: "bytes=20-29" })).status).toBe(302);
});

test("a look at the head never goes round in circles, and blames nobody", async () => {
  const fixture = await withoutCopies(2);
  const head = async (target: string): Promise<number> =>
    (await fetch(fixture.program.httpUrl + target, { method: "HEAD", redirect: "manual" })).status;
  await ask(fixture, "/a.iso");
  expect([await head("/a.iso"), await head("/a.iso?origin=1"), await head("/a.iso?origin=1")]).toEqual([302, 503, 503]);
  expect(fixture.program.status().http.customerMisses).toBe(0);
});

test("who looks at the head, or asks who would serve it, hears what a GET would", async () => {
  const [one, none] = [await withoutCopies(1), await withoutCopies(0)];
  const head = async (fixture: CentralFixture, path: string): Promise<number> =>
    (await fetch(fixture.program.httpUrl + path, { method: "HEAD", redirect: "manual" })).status;
  const explained = async (fixture: CentralFixture, more = "", headers = {}): Promise<string | undefined> => {
    const answer = await fixture.get(`/small.txt?explain=json${more}`, headers);
    return ((await answer.json()) as { readonly origin?: string }).origin;
  };
  for (const path of Object.keys(FILES)) {
    expect([await head(one, `/${path}`), await head(none, `/${path}`)]).toEqual([302, 503]);
  }
  expect([await explained(one), await explained(none)]).toEqual([undefined, "lost"]);
  expect(await explained(one, "&origin=1")).toBe("lost");
  const known = { "if-none-match": `"${sha256(FILES["small.txt"])}"` };
  expect(await explained(one, "", known)).toBe("not-modified");
  expect(await (await none.get("/small.txt?explain")).text()).toContain("503 until the next release");
});

test("who was sent back by a holder, or finds none, is told to come again", async () => {
  const later = { status: 503, location: null, retryAfter: "60" };
  expect(await ask(await withoutCopies(1), "/a.iso?origin=1")).toEqual(later);
  const alone = await withoutCopies(0);
  for (const path of Object.keys(FILES)) expect(await ask(alone, `/${path}`)).toEqual(later);
});
