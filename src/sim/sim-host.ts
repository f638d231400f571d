import type { Random } from "../core/clock.ts";
import { BundleSession, TICK_MS } from "../swarm/bundle-session.ts";
import { DialPlan } from "../swarm/dial-plan.ts";
import { PeerOffences } from "../swarm/peer-offences.ts";
import type { KnownPeer } from "../swarm/ports.ts";
import { type DownloadCall, MIRROR_PATIENCE, type SourcePatience } from "../swarm/running-download.ts";
import { type SiteNews, TrackedSites } from "../swarm/site-view.ts";
import type { SwarmLog } from "../swarm/swarm-log.ts";
import { SimLink, type LinkSpeed } from "./network.ts";
import type { SwarmBundle, WantedRanges } from "../swarm/ports.ts";
import { SimWire, type WireEnd } from "./sim-wire.ts";
import type { VirtualClock } from "./virtual-clock.ts";

export interface SimHostOptions {
  readonly clock: VirtualClock;
  readonly random: Random;
  /** 40 hex digits. */
  readonly peerId: string;
  /** Address. */
  readonly host: string;
  readonly speed: LinkSpeed;
  readonly isOrigin?: boolean;
  /** Hostile peers and others that are not quite ours. */
  readonly end?: Partial<WireEnd>;
  readonly patience?: SourcePatience;
  readonly maxConnections?: number;
  readonly log?: SwarmLog;
}

/** As net/ limits them (design.md §5). */
const MAX_CONNECTIONS = 200;
const SILENT: SwarmLog = { debug: () => undefined, info: () => undefined, warn: () => undefined };
/** TCP's handshake, BEP 3's, BEP 10's and the proof of the pass: round trips before anything is said. */
const HANDSHAKE_ROUND_TRIPS = 3;
/** Until TCP or our keep-alive finds out that a host is no more. */
const VANISHED_MS = 30_000;

/** A program of the swarm: the real session behind a simulated line. What net/ does with sockets is done here in memory. */
export class SimHost {
  readonly peerId: string;
  readonly bundle: SwarmBundle;
  readonly session: BundleSession;
  readonly offences: PeerOffences;
  readonly end: WireEnd;
  uploadedBytes = 0;
  downloadedBytes = 0;
  /** Of these, to and from other sites. */
  readonly border = { uploadedBytes: 0, downloadedBytes: 0 };
  readonly sites: TrackedSites = new TrackedSites();
  readonly #options: SimHostOptions;
  readonly #wires = new Map<string, SimWire>();
  readonly #dialling = new Set<string>();
  readonly #dialPlan: DialPlan;
  #known: readonly KnownPeer[] = [];
  #find: (peerId: string) => SimHost | undefined = () => undefined;
  #isUp = true;

  constructor(bundle: SwarmBundle, options: SimHostOptions) {
    const { clock, random, peerId, isOrigin = false } = options;
    this.#options = options;
    this.offences = new PeerOffences(clock);
    this.peerId = peerId;
    this.bundle = bundle;
    this.end = {
      peerId,
      host: options.host,
      link: new SimLink(clock, options.speed),
      isOrigin,
      ...options.end,
    };
    this.session = new BundleSession(bundle, {
      clock,
      random,
      log: options.log ?? SILENT,
      offences: this.offences,
      isOrigin,
      patience: options.patience ?? MIRROR_PATIENCE,
      ownId: peerId,
      sites: this.sites,
      defer: (act) => {
        clock.owe();
        queueMicrotask(act);
      },
      onUploaded: (bytes, to) => {
        this.uploadedBytes += bytes;
        if (!this.sites.isNear(to)) this.border.uploadedBytes += bytes;
      },
      onDownloaded: (bytes, from) => {
        this.downloadedBytes += bytes;
        if (!this.sites.isNear(from)) this.border.downloadedBytes += bytes;
      },
    });
    this.#dialPlan = new DialPlan(random, clock.monotonicMs());
    clock.schedule(random() * TICK_MS, () => this.#tick());
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  get connectionCount(): number {
    return this.#wires.size;
  }

  download(wanted: WantedRanges, call?: DownloadCall): Promise<void> {
    const done = this.session.download(wanted, call);
    done.then(
      () => this.#options.clock.owe(),
      () => this.#options.clock.owe(),
    );
    return done;
  }

  /** Whom the tracker named, and how to reach them. */
  setPeers(known: readonly KnownPeer[], news: SiteNews, find: (peerId: string) => SimHost | undefined): void {
    this.#known = known;
    this.sites.note(known, news);
    this.#find = find;
  }

  /** Connects at once, without a handshake. */
  connect(other: SimHost): [SimWire, SimWire] {
    const [here, there] = SimWire.pair(this.end, other.end, this.bundle.layout.pieceLength);
    this.#join(here);
    other.#join(there);
    return [here, there];
  }

  /** Ends in good order: everybody hears of it. */
  leave(): void {
    this.#isUp = false;
    this.session.close("gone");
  }

  /** Power fails: nobody hears of it for a while. */
  vanish(): void {
    this.#isUp = false;
    for (const wire of [...this.#wires.values()]) wire.vanish(VANISHED_MS);
    this.session.close("gone");
  }

  #tick(): void {
    if (!this.#isUp) return;
    const { clock } = this.#options;
    this.session.tick();
    this.#dial();
    clock.schedule(TICK_MS, () => this.#tick());
  }

  #dial(): void {
    if (!this.session.isWanting) return;
    const situation = {
      bundleNumber: this.bundle.number,
      known: this.#known,
      busyIds: new Set([...this.#wires.keys(), ...this.#dialling]),
      pendingCount: this.#dialling.size,
      isAllowed: (id: string) => id !== this.peerId && !this.offences.isBanned(id),
      needsOrigin: this.session.needsOrigin,
      sites: this.sites,
      sharesWork: this.session.sharesWork,
    };
    const { clock } = this.#options;
    for (const peer of this.#dialPlan.choose(situation, clock.monotonicMs())) this.#call(peer);
  }

  #call(peer: KnownPeer): void {
    const { clock, speed, maxConnections = MAX_CONNECTIONS } = this.#options;
    const other = this.#find(peer.id);
    const delayMs = speed.delayMs + (other?.end.link.speed.delayMs ?? speed.delayMs);
    this.#dialling.add(peer.id);
    clock.schedule(2 * HANDSHAKE_ROUND_TRIPS * delayMs, () => {
      this.#dialling.delete(peer.id);
      if (!this.#isUp || this.#wires.has(peer.id)) return;
      if (other?.accepts(this.peerId) === true && this.#wires.size < maxConnections) this.connect(other);
      else this.#dialPlan.ended(peer.id, clock.monotonicMs());
    });
  }

  /** Would it take a call of this peer? */
  accepts(peerId: string): boolean {
    const { maxConnections = MAX_CONNECTIONS } = this.#options;
    return (
      this.#isUp && this.#wires.size < maxConnections && !this.#wires.has(peerId) && !this.offences.isBanned(peerId)
    );
  }

  #join(wire: SimWire): void {
    this.#wires.set(wire.peerId, wire);
    const listener = this.session.join(wire);
    wire.listener = {
      ...listener,
      onClose: (reason) => {
        if (this.#wires.get(wire.peerId) === wire) this.#wires.delete(wire.peerId);
        this.#dialPlan.ended(wire.peerId, this.#options.clock.monotonicMs());
        listener.onClose(reason);
      },
    };
  }
}
