import { expect, test } from "vitest";
import { CentralCounters } from "../../../src/central/central-counters.ts";
import { CustomerChoice, type CustomerTraces, type FileDemand } from "../../../src/central/customer-choice.ts";
import { CustomerVolunteers } from "../../../src/central/customer-volunteers.ts";
import { releasedFile } from "../../../src/central/released-files.ts";
import { seededRandom } from "../../../src/core/clock.ts";
import { parseContentId } from "../../../src/core/content-id.ts";
import { repoPathFromText } from "../../../src/core/repo-path.ts";
import { OutstandingTransfers } from "../../../src/delivery/outstanding-transfers.ts";
import type { PolicyName } from "../../../src/delivery/policies/named-policy.ts";
import { SentSamples } from "../../../src/delivery/sent-samples.ts";
import { VolunteerMisses } from "../../../src/delivery/volunteer-misses.ts";
import { LiveVolunteers } from "../../../src/tracker/live-volunteers.ts";
import type { VolunteerAnnounce } from "../../../src/tracker/volunteer-announce.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { announceOf } from "../../support/sample-announce.ts";

const LINE = 1_000_000;
const INTERVAL_MS = 60_000;

/** Central's choice with volunteers that announce what they like; all hold everything. */
class Scene {
  readonly clock = new ManualClock();
  readonly traces: CustomerTraces = { sent: new SentSamples(seededRandom(5)), misses: new VolunteerMisses() };
  readonly #live = new LiveVolunteers(this.clock, INTERVAL_MS);
  readonly #choice: CustomerChoice;

  constructor(ids: readonly string[], policy: PolicyName = "near") {
    const { clock, traces } = this;
    const byId = new Map(ids.map((id) => [id, { id, name: id, state: "enrolled" as const }]));
    const audits = { reasonAgainst: () => undefined };
    const volunteers = new CustomerVolunteers({ byId }, this.#live, { audits, clock, random: seededRandom(1) });
    const signatures = { queryFor: () => "" };
    const counters = new CentralCounters();
    const context = { volunteers, counters, signatures, traces, clock, random: seededRandom(2) };
    this.#choice = new CustomerChoice(context, { policy, minBytes: 0 });
    for (const id of ids) this.announce(id);
  }

  announce(id: string, change: Partial<VolunteerAnnounce> = {}): void {
    const announce = { url: `http://${id}.example.org`, uploadCapacityBytesPerSecond: LINE, ...change };
    this.#live.announce(announceOf(id, announce), { id, host: "192.0.2.1", site: undefined });
  }

  /** The volunteer that a customer is sent to; undefined: central. */
  ask(
    address: string,
    lengthBytes: number,
    change: { file?: string; isOriginWanted?: boolean } = {},
  ): string | undefined {
    const path = repoPathFromText(change.file ?? `pool/${lengthBytes}`);
    const content = parseContentId(Buffer.from(path).toString("hex").padStart(64, "0"));
    const served = { content, lengthBytes, mtimeNs: 0n, mediaType: "application/octet-stream" };
    const place = { bundle: 1, ordinal: 0, sinceRelease: 1 };
    const demand: FileDemand = {
      customer: { address, site: address.split(".").slice(0, 2).join("."), protocol: "http" },
      customerGroup: address,
      port: 0,
      agent: "Debian APT-HTTP/1.3 (2.6.1)",
      file: releasedFile(path, served, { entryPath: path, place, release: 1 }),
      isHead: false,
      range: undefined,
      isOriginWanted: change.isOriginWanted ?? false,
      isBodyless: false,
    };
    const places = this.#choice.redirect(demand);
    return places === undefined ? undefined : new URL(places[0]!.url).hostname.split(".")[0];
  }
}

const IDS = Array.from({ length: 10 }, (_, index) => `v${index}`);
const PACKAGE = 5_000_000;

test("a volunteer that says every second that it is idle gets no more customers than its line carries (row H19)", () => {
  const scene = new Scene(IDS);
  const { clock } = scene;
  const lines = new Map(IDS.map((id) => [id, new OutstandingTransfers(LINE, clock.monotonicMs())]));
  const told = (id: string): Partial<VolunteerAnnounce> => {
    const { customers, customerBytes } = lines.get(id)!.load(clock.monotonicMs());
    return { customers, customerBytesLeft: Math.round(customerBytes) };
  };
  const random = seededRandom(4);
  const gave = new Map(IDS.map((id) => [id, 0]));
  // All lines together carry 2 packages a second: a workload of 80 %.
  for (let second = 0; second < 3_600; second++) {
    scene.announce("v0");
    for (const [index, id] of IDS.entries()) if (index > 0 && second % 60 === index * 6) scene.announce(id, told(id));
    for (let half = 0; half < 2; half++) {
      clock.advance(500);
      if (random() > 0.8) continue;
      const id = scene.ask(`10.${second >> 8}.${second & 255}.${half}`, PACKAGE)!;
      lines.get(id)!.add(PACKAGE, clock.monotonicMs());
      gave.set(id, gave.get(id)! + 1);
    }
  }
  const all = [...gave.values()].reduce((sum, count) => sum + count, 0);
  const share = gave.get("v0")! / all;
  expect(share).toBeGreaterThan(0.07);
  expect(share).toBeLessThan(0.13);
});

/** Asks twice within seconds, as whoever met a failure does; ids that it was sent to first. */
function failures(scene: Scene, address: string, files: readonly string[]): ReadonlySet<string> {
  return new Set(
    files.map((file) => {
      const id = scene.ask(address, PACKAGE, { file })!;
      scene.ask(address, PACKAGE, { file });
      return id;
    }),
  );
}

const FILES = Array.from({ length: 200 }, (_, index) => `pool/${index}.deb`);

/** A repeated request is doubtful for ten seconds: it may come from somebody else behind the same address. */
function settle(scene: Scene): void {
  scene.clock.advance(10_001);
  scene.ask("10.9.0.1", PACKAGE);
}

test("one customer that pretends failures steers nobody else of its network; a second one there that meets one does", () => {
  const scene = new Scene(IDS, "round-robin");
  const sentTo = (address: string): ReadonlySet<string | undefined> =>
    new Set(FILES.slice(0, 40).map((file) => scene.ask(address, PACKAGE, { file })));
  failures(scene, "10.1.0.1", FILES);
  settle(scene);
  expect(sentTo("10.1.0.2").size).toBe(IDS.length);
  scene.clock.advance(301_000);
  for (const id of IDS) scene.announce(id);
  const [dead] = failures(scene, "10.1.0.3", ["x.deb"]);
  settle(scene);
  expect(sentTo("10.1.0.3")).not.toContain(dead);
  expect(sentTo("10.1.0.4")).toContain(dead);
  for (const file of FILES) if (scene.ask("10.1.0.5", PACKAGE, { file }) === dead) failures(scene, "10.1.0.5", [file]);
  settle(scene);
  expect(sentTo("10.1.0.6")).not.toContain(dead);
  expect(sentTo("10.2.0.6")).toContain(dead);
});

test("customers that a volunteer sent back are counted by networks, and what they wanted is hinted at", () => {
  const scene = new Scene(["v0"]);
  const { traces, clock } = scene;
  for (const address of ["10.1.0.1", "10.1.0.2", "10.2.0.1", "10.3.0.1"]) {
    expect(scene.ask(address, PACKAGE, { file: "x.deb" })).toBe("v0");
    expect(scene.ask(address, PACKAGE, { file: "x.deb", isOriginWanted: true })).toBeUndefined();
  }
  // Whoever was not sent there says nothing about it.
  scene.ask("10.4.0.1", PACKAGE, { file: "x.deb", isOriginWanted: true });
  expect(traces.misses.countOf("v0", clock.monotonicMs())).toEqual({ customers: 4, networks: 3 });
  expect(traces.misses.takeHint("v0")?.path).toBe("x.deb");
  expect(traces.sent.take("v0")).toMatchObject({ path: "x.deb", lengthBytes: PACKAGE });
});
