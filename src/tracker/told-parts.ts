import { createHmac } from "node:crypto";
import { Bitfield } from "../core/bitfield.ts";
import type { PeerAnswer, StandingTerms, VolunteerAnswer, WholeAnswer } from "./announce-answer.ts";

/** What a volunteer has of earlier answers, by the tags that came with it. */
export interface KnownParts {
  readonly peers: readonly string[];
  readonly terms: string | undefined;
}

/** Characters of base64url, 48 bits: one of two parts that a chance makes alike would be told too late, and is a hint anyway. */
const TAG_LENGTH = 8;

/**
 * Leaves out of an answer what the volunteer has already. Nothing is remembered here of what it was told: it says so itself, so answers that
 * got lost, restarts of either side and several centrals beside each other need no care.
 *
 * @param key secret of this process: nobody can make a part whose tag is that of another. Tags that were made with another key are unknown
 */
export function withoutKnown(answer: WholeAnswer, known: KnownParts | undefined, key: Uint8Array): VolunteerAnswer {
  const { terms, peers, ...rest } = answer;
  if (known === undefined) return { ...rest, peers, ...terms };
  const tagged = peers.map((peer) => ({ ...peer, tag: tagOf(peer, key) }));
  const has = new Set(known.peers);
  const named = new Set(tagged.map(({ tag }) => tag));
  const kept = new Bitfield(known.peers.length);
  for (const [index, tag] of known.peers.entries()) if (named.has(tag)) kept.set(index);
  const tag = tagOf(terms, key);
  return {
    ...rest,
    peers: tagged.filter((peer) => !has.has(peer.tag)),
    kept: Buffer.from(kept.toBytes()).toString("base64"),
    ...(tag === known.terms ? {} : { ...terms, terms: tag }),
  };
}

/** Alike for alike parts: they are made with their keys in one order. */
function tagOf(part: PeerAnswer | StandingTerms, key: Uint8Array): string {
  return createHmac("sha256", key).update(JSON.stringify(part)).digest("base64url").slice(0, TAG_LENGTH);
}
