import fc from "fast-check";
import { expect, test } from "vitest";
import type { AnnounceAnswer } from "../../../src/edge/announce-client.ts";
import { ToldAnswers } from "../../../src/edge/told-answers.ts";
import type { PeerAnswer, WholeAnswer } from "../../../src/tracker/announce-answer.ts";
import { withoutKnown } from "../../../src/tracker/told-parts.ts";

const KEY = Buffer.alloc(32, 1);
const TERMS = { origin: { id: "0".repeat(40), port: 7 }, pass: "pass", revoked: [] };
const FIGURES = { interval: 60, release: 1, holdingsId: 1, fullHoldingsWanted: false, neighbours: 0 };

function peer(number: number, change: Partial<PeerAnswer> = {}): PeerAnswer {
  return { id: number.toString(16).padStart(40, "0"), host: "192.0.2.1", port: 7382, ...change };
}

function answer(peers: readonly PeerAnswer[], terms: Partial<WholeAnswer["terms"]> = {}): WholeAnswer {
  return { ...FIGURES, peers, terms: { ...TERMS, ...terms } };
}

/** What a mirror makes of central's answer, and what was sent. */
function heard(
  mirror: ToldAnswers,
  whole: WholeAnswer,
  key: Uint8Array = KEY,
): { readonly sent: AnnounceAnswer; readonly made: AnnounceAnswer } {
  const asked = mirror.known;
  const sent = JSON.parse(
    JSON.stringify(withoutKnown(whole, { peers: asked.peers, terms: asked.terms }, key)),
  ) as AnnounceAnswer;
  return { sent, made: mirror.complete(sent, asked) };
}

const named = ({ peers }: AnnounceAnswer): object[] =>
  peers.map(({ tag: _, ...facts }) => facts).sort((a, b) => a.id.localeCompare(b.id));
const termsOf = ({ origin, pass, revoked, publicUrl, site, border }: AnnounceAnswer): object => ({
  origin,
  pass,
  revoked,
  publicUrl,
  site,
  border,
});

test("what was told once is not told again, and counts as before", () => {
  const mirror = new ToldAnswers();
  const whole = answer([peer(1), peer(2, { complete: 1, bundles: [3] })], { site: "x", publicUrl: "http://c" });
  expect(heard(mirror, whole).sent.peers).toHaveLength(2);
  const { sent, made } = heard(mirror, whole);
  expect(Object.keys(sent).sort()).toEqual([...Object.keys(FIGURES), "kept", "peers"].sort());
  expect(sent.peers).toEqual([]);
  expect(named(made)).toEqual(whole.peers);
  expect(termsOf(made)).toEqual({ border: undefined, ...whole.terms });
});

test("a peer that went is dropped, one that came back or holds more is told", () => {
  const mirror = new ToldAnswers();
  heard(mirror, answer([peer(1), peer(2)]));
  expect(named(heard(mirror, answer([peer(2)])).made)).toEqual([peer(2)]);
  const back = heard(mirror, answer([peer(1), peer(2, { complete: 9 })]));
  expect(named(back.sent)).toEqual([peer(1), peer(2, { complete: 9 })]);
  expect(named(back.made)).toEqual([peer(1), peer(2, { complete: 9 })]);
});

test("standing terms are told as soon as one of them changes, also where one ends", () => {
  const mirror = new ToldAnswers();
  heard(mirror, answer([], { site: "x" }));
  const revoked = heard(mirror, answer([], { site: "x", revoked: ["bad"] })).made;
  expect([revoked.revoked, revoked.site]).toEqual([["bad"], "x"]);
  const moved = heard(mirror, answer([], { revoked: ["bad"] })).made;
  expect([moved.revoked, moved.site]).toEqual([["bad"], undefined]);
});

const BORDER = { homes: ["x", "y"], slices: 2, tasks: [{ site: "", slice: 0 }] };

test.each<[string, Partial<WholeAnswer["terms"]>]>([
  ["an origin with another port", { origin: { ...TERMS.origin, port: 8 } }],
  ["an origin with another id", { origin: { ...TERMS.origin, id: "1".repeat(40) } }],
  ["a new pass", { pass: "new" }],
  ["another site", { site: "y" }],
  ["a plan of the borders with other homes", { border: { ...BORDER, homes: ["x", "z"] } }],
  ["a plan of the borders with other tasks", { border: { ...BORDER, tasks: [{ site: "y", slice: 1 }] } }],
])("%s is told", (_name, change) => {
  const mirror = new ToldAnswers();
  const before = { ...TERMS, site: "x", border: BORDER };
  heard(mirror, answer([], before));
  expect(termsOf(heard(mirror, answer([], before)).made)).toEqual(before);
  expect(termsOf(heard(mirror, answer([], { ...before, ...change })).made)).toEqual({ ...before, ...change });
});

test("another central, or one that began anew, tells everything once", () => {
  const mirror = new ToldAnswers();
  const whole = answer([peer(1)]);
  heard(mirror, whole);
  const other = Buffer.alloc(32, 2);
  const { sent, made } = heard(mirror, whole, other);
  expect([named(sent), sent.pass]).toEqual([[peer(1)], "pass"]);
  expect(named(made)).toEqual([peer(1)]);
  expect(heard(mirror, whole, other).sent.peers).toEqual([]);
});

test("at most 200 tags are kept, and the peers of all answers count", () => {
  const mirror = new ToldAnswers();
  const peers = Array.from({ length: 150 }, (_, number) => ({ ...peer(number), tag: `a${number}` }));
  mirror.complete({ ...FIGURES, peers }, mirror.known);
  const more = peers.map((one, number) => ({ ...one, ...peer(1000 + number), tag: `b${number}` }));
  const kept = Buffer.alloc(19, 0xff).toString("base64");
  expect(mirror.complete({ ...FIGURES, peers: more, kept }, mirror.known).peers).toHaveLength(300);
  expect(mirror.known.peers).toHaveLength(200);
});

test("a central that knows nothing of tags tells everything each time", () => {
  const mirror = new ToldAnswers();
  heard(mirror, answer([peer(1), peer(2)], { site: "x" }));
  const old: AnnounceAnswer = { ...FIGURES, peers: [peer(2)], ...TERMS };
  expect(named(mirror.complete(old, mirror.known))).toEqual([peer(2)]);
  expect(mirror.known).toEqual({ peers: [] });
  expect(named(heard(mirror, answer([peer(1), peer(2)])).made)).toEqual([peer(1), peer(2)]);
});

test("marks beyond what was asked and too few of them name nobody", () => {
  const mirror = new ToldAnswers();
  const asked = mirror.known;
  expect(mirror.complete({ ...FIGURES, peers: [], kept: "////" }, asked).peers).toEqual([]);
  heard(mirror, answer([peer(1)]));
  expect(mirror.complete({ ...FIGURES, peers: [], kept: "" }, mirror.known).peers).toEqual([]);
});

test("whatever comes, goes, changes or gets lost, the mirror knows what central would have told it", () => {
  const peers = fc.uniqueArray(
    fc.record({ number: fc.nat(60), complete: fc.nat(2), port: fc.integer({ min: 1, max: 2 }) }),
    { maxLength: 50, selector: ({ number }) => number },
  );
  const step = fc.record({
    peers,
    revoked: fc.subarray(["a", "b"]),
    isLost: fc.boolean(),
    isRestarted: fc.constantFrom(false, false, false, true),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      let mirror = new ToldAnswers();
      for (const { peers: facts, revoked, isLost, isRestarted } of steps) {
        if (isRestarted) mirror = new ToldAnswers();
        const whole = answer(
          facts.map(({ number, complete, port }) => peer(number, { complete, port })),
          { revoked },
        );
        if (isLost) {
          withoutKnown(whole, { peers: mirror.known.peers, terms: mirror.known.terms }, KEY);
          continue;
        }
        const { made } = heard(mirror, whole);
        expect(named(made)).toEqual([...whole.peers].sort((a, b) => a.id.localeCompare(b.id)));
        expect(made.revoked).toEqual(revoked);
      }
    }),
  );
});
