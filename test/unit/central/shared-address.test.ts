import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { CentralCounters } from "../../../src/central/central-counters.ts";
import { CustomerChoice, type FileDemand } from "../../../src/central/customer-choice.ts";
import { CustomerVolunteers } from "../../../src/central/customer-volunteers.ts";
import { releasedFile, type ReleasedFile } from "../../../src/central/released-files.ts";
import { seededRandom } from "../../../src/core/clock.ts";
import { contentIdOf } from "../../../src/core/content-id.ts";
import { repoPathFromText } from "../../../src/core/repo-path.ts";
import { SentSamples } from "../../../src/delivery/sent-samples.ts";
import { VolunteerMisses } from "../../../src/delivery/volunteer-misses.ts";
import { LiveVolunteers } from "../../../src/tracker/live-volunteers.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { announceOf, complete } from "../../support/sample-announce.ts";

const IMAGE_BYTES = 1_000_000_000;
const NAT = "198.51.100.7";
const HOLDERS = 40;

/** Central in virtual time with volunteers that hold everything. */
class Scene {
  readonly clock = new ManualClock();
  readonly counters = new CentralCounters();
  readonly #random = seededRandom(7);
  readonly #choice: CustomerChoice;
  readonly #ids: ReadonlySet<string>;
  #nextPort = 1;
  /** Redirects to each volunteer. */
  readonly sent = new Map<string, number>();

  constructor(holders = HOLDERS) {
    const { clock, counters } = this;
    const live = new LiveVolunteers(clock, 3_600_000);
    const byId = new Map<string, { id: string; name: string; state: "enrolled" }>();
    for (let index = 0; index < holders; index++) {
      const id = `m${index}`;
      byId.set(id, { id, name: id, state: "enrolled" });
      const capacity = { url: `http://${id}.example.org`, uploadCapacityBytesPerSecond: 1e8, holdings: complete(1) };
      live.announce(announceOf(id, capacity), { id, host: "192.0.2.1", site: undefined });
    }
    this.#ids = new Set(byId.keys());
    const audits = { reasonAgainst: () => undefined };
    const random = this.#random;
    const volunteers = new CustomerVolunteers({ byId }, live, { audits, clock, random });
    const traces = { sent: new SentSamples(seededRandom(5)), misses: new VolunteerMisses() };
    const context = { volunteers, counters, traces, clock, random };
    this.#choice = new CustomerChoice(
      { ...context, signatures: { queryFor: () => "" } },
      { policy: "near", minBytes: 16_384 },
    );
  }

  /** The volunteer that a customer is sent to, or "origin". */
  ask(file: ReleasedFile, change: Partial<FileDemand> & { readonly address?: string } = {}): string {
    const places = this.#choice.redirect(demandOf(file, change));
    const name = places === undefined ? "origin" : new URL(places[0]!.url).hostname.split(".")[0]!;
    this.sent.set(name, (this.sent.get(name) ?? 0) + 1);
    return name;
  }

  /** Volunteers that none of many other customers of the network is sent to: those in doubt get nobody while there are others. */
  lowered(file: ReleasedFile): readonly string[] {
    const asked = Array.from({ length: 2_000 }, (_, index) => `198.51.${1 + (index >> 8)}.${index & 255}`);
    const sent = new Set(asked.map((address) => this.ask(file, { address })));
    return [...this.#ids].filter((id) => !sent.has(id));
  }

  /** One customer after the other, each on a connection of its own, so many milliseconds apart. */
  crowd(file: ReleasedFile, customers: number, gapMs: number): void {
    for (let customer = 0; customer < customers; customer++) {
      this.ask(file, { port: this.#nextPort++ });
      this.clock.advance(gapMs);
    }
  }

  get fromOrigin(): number {
    return this.sent.get("origin") ?? 0;
  }
}

function fileOf(name: string): ReleasedFile {
  const path = repoPathFromText(name);
  const content = contentIdOf(createHash("sha256").update(name).digest());
  const served = { content, lengthBytes: IMAGE_BYTES, mtimeNs: 0n, mediaType: "application/octet-stream" };
  return releasedFile(path, served, { entryPath: path, place: { bundle: 1, ordinal: 0, sinceRelease: 1 }, release: 1 });
}

function demandOf(
  file: ReleasedFile,
  { address = NAT, ...change }: Partial<FileDemand> & { readonly address?: string },
): FileDemand {
  return {
    customer: { address, site: address.split(".").slice(0, 2).join("."), protocol: "http" },
    customerGroup: address,
    file,
    isHead: false,
    range: undefined,
    port: 0,
    agent: "Debian APT-HTTP/1.3 (2.6.1)",
    isOriginWanted: false,
    isBodyless: false,
    ...change,
  };
}

const IMAGE = fileOf("images/install.iso");
/** Longer than a suspicion takes to settle. */
const SETTLED_MS = 11_000;

test("a flash crowd behind one address is spread over all holders; central gives an eighth at most and nobody is lowered", () => {
  const scene = new Scene();
  scene.crowd(IMAGE, 600, 50);
  expect(scene.fromOrigin).toBeLessThanOrEqual(600 / 8);
  const counts = [...scene.sent].filter(([name]) => name !== "origin").map(([, count]) => count);
  expect([counts.length, Math.max(...counts) <= 2 * Math.min(...counts)]).toEqual([HOLDERS, true]);
  scene.clock.advance(SETTLED_MS);
  expect(scene.lowered(IMAGE)).toEqual([]);
});

test.each([300, 2_000])("of 300 that are %i ms apart central gives little more than an eighth", (gapMs) => {
  for (const holders of [1, HOLDERS]) {
    const scene = new Scene(holders);
    scene.crowd(IMAGE, 300, gapMs);
    expect(scene.fromOrigin).toBeLessThanOrEqual(300 / 8 + 5);
  }
});

test("a crowd 300 ms apart lowers nobody", () => {
  const scene = new Scene();
  scene.crowd(IMAGE, 300, 300);
  scene.clock.advance(SETTLED_MS);
  expect(scene.lowered(IMAGE)).toEqual([]);
});

test("a build farm that fetches the same 200 packages is served by volunteers", () => {
  const scene = new Scene();
  for (let file = 0; file < 200; file++) scene.crowd(fileOf(`pool/package-${file}.deb`), 30, 40);
  expect(scene.fromOrigin).toBeLessThanOrEqual((200 * 30) / 8);
  scene.clock.advance(SETTLED_MS);
  expect(scene.lowered(IMAGE)).toEqual([]);
});

/** What one customer gets that comes again so many milliseconds after each try. */
function triesOf(pausesMs: readonly number[], change: (attempt: number) => Partial<FileDemand>): readonly string[] {
  const scene = new Scene();
  return pausesMs.map((pauseMs, attempt) => {
    const place = scene.ask(IMAGE, change(attempt));
    scene.clock.advance(pauseMs);
    return place;
  });
}

/** The most redirects in a row. */
function longestWait(places: readonly string[]): number {
  const waits = places.join(" ").split("origin");
  return Math.max(...waits.map((wait) => wait.trim().split(/ +/).filter(Boolean).length));
}

const PACES: readonly (readonly [string, readonly number[]])[] = [
  ["0.2 s", Array<number>(20).fill(200)],
  ["0.5 s", Array<number>(20).fill(500)],
  ["1.5 s", Array<number>(20).fill(1_500)],
  ["9 s", Array<number>(20).fill(9_000)],
  ["0.2 s, then 1.5 s", [...Array<number>(4).fill(200), ...Array<number>(16).fill(1_500)]],
];
const WAYS: Readonly<Record<string, (attempt: number) => Partial<FileDemand>>> = {
  "a new connection for each": (attempt) => ({ port: 40_000 + attempt }),
  "a proxy's connections": () => ({ port: 0 }),
  "one connection": () => ({ port: 40_000 }),
  "curl || wget": (attempt) => ({ port: 40_000 + attempt, agent: attempt % 2 === 0 ? "curl/7.88.1" : "Wget/1.21" }),
};

test.each(PACES.flatMap(([pace, pauses]) => Object.keys(WAYS).map((way) => [pace, way, pauses] as const)))(
  "who reaches no volunteer, tries each %s by %s, comes to central again and again",
  (_pace, way, pauses) => {
    const places = triesOf(pauses, WAYS[way]!);
    expect(places[0]).not.toBe("origin");
    expect(places[1]).not.toBe(places[0]);
    expect(longestWait(places)).toBeLessThanOrEqual(3);
  },
);

test("one that never stops is a crowd to central, and still comes there with each eighth try", () => {
  const forever = Array<number>(200).fill(300);
  const ways = Object.values(WAYS).map((way) => longestWait(triesOf(forever, way)));
  expect(Math.max(...ways)).toBeLessThanOrEqual(7);
});

test.each([1, 20, 400])("of 300 behind one address who reach no volunteer all get through, one per %i ms", (gapMs) => {
  const scene = new Scene();
  let waiting = Array.from({ length: 300 }, (_, customer) => customer);
  let port = 1;
  let asked = 0;
  for (let attempt = 0; attempt < 60 && waiting.length > 0; attempt++) {
    waiting = waiting.filter(() => {
      scene.clock.advance(gapMs);
      asked++;
      return scene.ask(IMAGE, { port: port++ }) !== "origin";
    });
  }
  expect(waiting).toEqual([]);
  expect(asked).toBeLessThanOrEqual(300 * 8 + 8);
});

test("in a crowd, those who are served over their connections do not put off those who come by new ones", () => {
  const scene = new Scene();
  scene.crowd(IMAGE, 10, 50);
  let served = 0;
  for (let turn = 0; turn < 60; turn++) {
    // Each is left after three tries, the last of them served: one of them in each turn.
    for (const at of [0, 1, 2]) scene.ask(IMAGE, { port: 40_000 + at * 1_000 + Math.floor((turn + at) / 3) });
    scene.clock.advance(50);
    if (scene.ask(IMAGE, { port: 50_000 + turn }) === "origin") served++;
    scene.clock.advance(50);
  }
  expect(served).toBeGreaterThanOrEqual(60 / 16);
});

test("one customer whose choice failed gets another volunteer, then central, and the volunteers are lowered for it", () => {
  const scene = new Scene();
  const tried = [];
  for (const port of [40_000, 40_001, 40_002]) {
    tried.push(scene.ask(IMAGE, { port }));
    scene.clock.advance(1_500);
  }
  expect([new Set(tried).size, tried[2]]).toEqual([3, "origin"]);
  scene.clock.advance(SETTLED_MS);
  scene.ask(fileOf("other.iso"), { port: 40_003 });
  const after = Array.from({ length: 200 }, (_, index) => scene.ask(fileOf(`${index}.iso`), { port: 40_004 + index }));
  for (const volunteer of tried.slice(0, 2)) expect(after).not.toContain(volunteer);
  expect(scene.lowered(IMAGE)).toEqual([]);
});

test("in the middle of a crowd, one that asks again over its connection gets another volunteer, then central", () => {
  const scene = new Scene();
  const tried = [];
  for (let attempt = 0; attempt < 3; attempt++) {
    scene.crowd(IMAGE, 20, 50);
    tried.push(scene.ask(IMAGE, { port: 40_000 }));
  }
  expect([new Set(tried).size, tried[2]]).toEqual([3, "origin"]);
});
