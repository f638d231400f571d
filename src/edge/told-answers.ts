import type { AnnounceAnswer, AnnounceBody, AnnouncedPeer } from "./announce-client.ts";

/** Tags in an announce: more are nothing to central. */
const MAX_KNOWN_PEERS = 200;

type Terms = Pick<AnnounceAnswer, "origin" | "pass" | "revoked" | "publicUrl" | "site" | "border">;

/**
 * What central told in earlier answers, so that it need not tell it again: an announce says by tags what is here, and the answer brings the
 * rest. A central that gives no tags tells everything each time.
 */
export class ToldAnswers {
  #peers: readonly AnnouncedPeer[] = [];
  #terms: { readonly tag: string; readonly told: Terms } | undefined;

  /** For the next announce. */
  get known(): AnnounceBody["known"] {
    const peers = this.#peers.flatMap(({ tag }) => tag ?? []).slice(0, MAX_KNOWN_PEERS);
    return { peers, ...(this.#terms === undefined ? {} : { terms: this.#terms.tag }) };
  }

  /** An answer as if it had told everything. @param asked what the announce said that it answers */
  complete(answer: AnnounceAnswer, asked: AnnounceBody["known"]): AnnounceAnswer {
    const whole = { ...answer, ...this.#termsOf(answer), peers: [...this.#keptOf(answer, asked), ...answer.peers] };
    this.#peers = whole.peers;
    return whole;
  }

  #keptOf({ kept }: AnnounceAnswer, asked: AnnounceBody["known"]): AnnouncedPeer[] {
    if (kept === undefined) return [];
    const bits = Buffer.from(kept, "base64");
    const byTag = new Map(this.#peers.map((peer) => [peer.tag, peer]));
    return asked.peers
      .filter((_, index) => ((bits[index >> 3] ?? 0) & (0x80 >> (index & 7))) !== 0)
      .flatMap((tag) => byTag.get(tag) ?? []);
  }

  #termsOf({ kept, terms, origin, pass, revoked, publicUrl, site, border }: AnnounceAnswer): Terms {
    const areAsBefore = kept !== undefined && terms === undefined;
    if (areAsBefore) return this.#terms?.told ?? {};
    const told = { origin, pass, revoked, publicUrl, site, border };
    this.#terms = terms === undefined ? undefined : { tag: terms, told };
    return told;
  }
}
