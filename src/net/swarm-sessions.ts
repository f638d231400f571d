import { BundleSession } from "../swarm/bundle-session.ts";
import { DialPlan } from "../swarm/dial-plan.ts";
import { PeerOffences } from "../swarm/peer-offences.ts";
import type { SwarmBundle } from "../swarm/ports.ts";
import { TrackedSites } from "../swarm/site-view.ts";
import type { WireBundle } from "./peer-establishment.ts";
import type { SwarmNodeOptions } from "./swarm-options.ts";
import type { SwarmTraffic } from "./swarm-traffic.ts";

/** A session nobody is connected to is kept for so long: peers come in crowds. */
const LINGER_MS = 10_000;

/** A bundle that is talked about, with what the sockets need to know of it. */
export interface ActiveBundle {
  readonly session: BundleSession;
  wireBundle: WireBundle;
  readonly dialPlan: DialPlan;
  /** Peer ids that are being called. */
  readonly dialling: Set<string>;
  /** Stock clients that were called and are connected, as the tracker named them: their own ids say nothing. */
  readonly stockCalled: Set<string>;
  usedMs: number;
}

/** The bundles that are talked about; all others cost nothing until a peer asks for them. */
export class SwarmSessions {
  readonly offences: PeerOffences;
  readonly sites: TrackedSites = new TrackedSites();
  readonly #active = new Map<string, ActiveBundle>();
  readonly #options: SwarmNodeOptions;
  readonly #traffic: SwarmTraffic;
  readonly #isAlone: () => boolean;

  /** @param isAlone whether nobody but the origin is known of */
  constructor(options: SwarmNodeOptions, traffic: SwarmTraffic, isAlone: () => boolean) {
    this.#options = options;
    this.#isAlone = isAlone;
    this.offences = new PeerOffences(options.clock);
    this.#traffic = traffic;
  }

  get all(): ActiveBundle[] {
    return [...this.#active.values()];
  }

  get(infoHash: string): ActiveBundle | undefined {
    return this.#active.get(infoHash);
  }

  /** The session of a bundle that a peer or this program asks for by its info hash. */
  async find(infoHash: string): Promise<ActiveBundle | undefined> {
    const known = this.#active.get(infoHash);
    if (known !== undefined) return known;
    const bundle = await this.#options.findBundle(infoHash);
    return bundle === undefined ? undefined : (this.#active.get(infoHash) ?? (await this.open(bundle)));
  }

  /** The session of exactly this bundle; one of an older object for the same info hash is closed, unless it downloads. */
  async open(bundle: SwarmBundle): Promise<ActiveBundle> {
    const metadataSizeBytes = (await bundle.infoDictionary())?.length;
    const known = this.#active.get(bundle.infoHash);
    if (known !== undefined && (known.session.bundle === bundle || known.session.isDownloading)) return known;
    known?.session.close("replaced");
    const { clock, random, log, isOrigin, patience } = this.#options;
    const isNear = (peerId: string): boolean => this.sites.isNear(peerId);
    const traffic = {
      // The frames of a chunk are heard one after the other, without a promise between them.
      defer: queueMicrotask,
      onUploaded: (bytes: number, peerId: string): void => this.#traffic.uploaded(bytes, isNear(peerId)),
      onDownloaded: (bytes: number, peerId: string): void => this.#traffic.downloaded(bytes, isNear(peerId)),
    };
    const bandwidth = this.#options.bandwidth?.forSession();
    const limited = bandwidth === undefined ? {} : { bandwidth };
    const { ownId } = this.#options;
    const shared = { offences: this.offences, ownId, sites: this.sites, isAlone: this.#isAlone };
    const options = { clock, random, log, isOrigin, patience, ...limited, ...traffic, ...shared };
    const { pieceCount, pieceLength } = bundle.layout;
    const active = {
      session: new BundleSession(bundle, options),
      wireBundle: { pieceCount, pieceLength, ...(metadataSizeBytes === undefined ? {} : { metadataSizeBytes }) },
      dialPlan: new DialPlan(random, clock.monotonicMs()),
      dialling: new Set<string>(),
      stockCalled: new Set<string>(),
      usedMs: clock.monotonicMs(),
    };
    this.#active.set(bundle.infoHash, active);
    return active;
  }

  drop(infoHash: string, reason: string): void {
    this.#active.get(infoHash)?.session.close(reason);
    this.#active.delete(infoHash);
  }

  /** Lets all sessions react to time, and forgets those that nobody needs. */
  tick(nowMs: number): void {
    for (const [infoHash, active] of this.#active) {
      const { session } = active;
      session.tick();
      if (session.peerCount > 0 || session.isWanting || active.dialling.size > 0) active.usedMs = nowMs;
      if (nowMs - active.usedMs > LINGER_MS) this.#active.delete(infoHash);
    }
  }
}
