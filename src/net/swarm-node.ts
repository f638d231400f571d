import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import type { CancelTimer } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import { TICK_MS } from "../swarm/bundle-session.ts";
import { SwarmError } from "../swarm/errors.ts";
import { type KnownPeer, stockClientId, type SwarmBundle, type WantedRanges } from "../swarm/ports.ts";
import type { DownloadCall } from "../swarm/running-download.ts";
import type { SiteNews } from "../swarm/site-view.ts";
import type { PeerWire } from "../swarm/wire/peer-wire.ts";
import { NetError } from "./errors.ts";
import { acceptPeer, dialPeer } from "./peer-connection.ts";
import type { SocketPeerWire } from "./socket-peer-wire.ts";
import type { PeerContext } from "./peer-establishment.ts";
import { readInfoHash } from "./swarm-knock.ts";
import type { SwarmNodeOptions } from "./swarm-options.ts";
import { ConnectionPlaces } from "./swarm-places.ts";
import { type ActiveBundle, SwarmSessions } from "./swarm-sessions.ts";
import { type SwarmCounters, SwarmTraffic } from "./swarm-traffic.ts";
import { TurnQueue } from "./swarm-turns.ts";

/** One connection, for status pages. */
export interface SwarmConnection {
  readonly peerId: string;
  readonly host: string;
  readonly bundleNumber: number;
  readonly isOrigin: boolean;
  readonly isStockClient: boolean;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

export interface DictionaryCall {
  readonly signal?: AbortSignal;
  /** Left out: as long as a download may be without a source. */
  readonly silenceMs?: number;
}

/** A program's part in the swarm: listens, calls, gives and takes. */
export interface SwarmNode extends AsyncDisposable {
  readonly port: number;
  readonly counters: SwarmCounters;
  /** Whom the tracker named last; they are called when a download needs them. Revoked ones are dropped at once. */
  setPeers(peers: readonly KnownPeer[], news?: SiteNews): void;
  /**
   * Fetches what is wanted of a bundle; resolves when every piece of it is verified.
   * @throws SwarmError `no-source`, `busy`; the reason of the signal; errors of the storage
   */
  download(bundle: SwarmBundle, wanted: WantedRanges, call?: DownloadCall): Promise<void>;
  /**
   * The info dictionary from peers (BEP 9), equal to its SHA-1.
   * @throws SwarmError `no-source` as {@link BundleSession.fetchInfoDictionary}, `busy`, `unknown-bundle` (findBundle does not know it); the
   * reason of the signal
   */
  fetchInfoDictionary(infoHash: string, number: number, call?: DictionaryCall): Promise<Uint8Array>;
  /** The info dictionary is here now, `sizeBytes` long: who lacks it may ask for it, and hears of it. */
  offerInfoDictionary(infoHash: string, sizeBytes: number): void;
  /** A piece became held otherwise than by a download. */
  announceHave(infoHash: string, piece: number): void;
  /** Closes the bundle's connections; a download of it fails. */
  dropBundle(infoHash: string): void;
  connections(): readonly SwarmConnection[];
}

/** @throws (rejects) NetError `listen-failed` */
export async function createSwarmNode(options: SwarmNodeOptions): Promise<SwarmNode> {
  const server = createServer({ noDelay: true });
  await new Promise<void>((resolve, reject) => {
    const where = `${options.host}:${options.port}`;
    server.once("error", (cause) => {
      reject(new NetError("listen-failed", `peer port ${where}: ${messageOf(cause)}`, { cause }));
    });
    server.listen(options.port, options.host, resolve);
  });
  return new TcpSwarmNode(server, options);
}

/** Where a connection came from. */
interface Arrival {
  readonly active: ActiveBundle;
  readonly isOutgoing: boolean;
  /** Who was called, by the id it is known by. */
  readonly calledId?: string;
  readonly giveBackPlace: () => void;
}

interface Admitted {
  readonly wire: PeerWire;
  readonly isOutgoing: boolean;
}

class TcpSwarmNode implements SwarmNode {
  readonly #options: SwarmNodeOptions;
  readonly #server: Server;
  readonly #traffic = new SwarmTraffic();
  readonly #sessions: SwarmSessions;
  readonly #places: ConnectionPlaces;
  readonly #turns: TurnQueue;
  /** Sockets that are not admitted yet. */
  readonly #knocking = new Set<Socket>();
  /** By info hash and peer id; stock clients by their address, too. */
  readonly #admitted = new Map<string, Admitted>();
  #known: readonly KnownPeer[] = [];
  #cancelTick: CancelTimer;
  /** Aborts when the node is closed: who is being called or let in is let go at once. */
  readonly #closing = new AbortController();

  constructor(server: Server, options: SwarmNodeOptions) {
    this.#options = options;
    this.#server = server;
    this.#sessions = new SwarmSessions(options, this.#traffic, () => this.#known.every((peer) => peer.isOrigin));
    this.#places = new ConnectionPlaces(options.limits);
    this.#turns = new TurnQueue(options.limits.activeBundles);
    server.on("connection", (socket) => void this.#welcome(socket));
    server.on("error", (error) => options.log.warn({ error: error.message }, "peer port"));
    this.#cancelTick = options.clock.schedule(TICK_MS, () => this.#tick());
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get counters(): SwarmCounters {
    return this.#traffic.counters;
  }

  setPeers(peers: readonly KnownPeer[], news?: SiteNews): void {
    if (news !== undefined) this.#sessions.sites.note(peers, news);
    this.#known = peers.filter((peer) => !this.#options.isRevoked(peer.id));
    const isOpen = this.#options.allowsStockClients();
    for (const { wire } of [...this.#admitted.values()]) {
      if (wire.isStockClient && !isOpen) wire.close("stock clients are no longer let in");
      else if (!wire.isStockClient && this.#options.isRevoked(wire.peerId)) wire.close("revoked");
    }
  }

  async download(bundle: SwarmBundle, wanted: WantedRanges, call: DownloadCall = {}): Promise<void> {
    const leave = await this.#turns.enter(call.signal);
    try {
      const active = await this.#open(bundle);
      // A session that was replaced or dropped since it was opened gets no ticks: its download would never end.
      this.#assertActive(active);
      const done = active.session.download(wanted, call);
      this.#dial(active);
      await done;
    } finally {
      leave();
    }
  }

  async fetchInfoDictionary(infoHash: string, number: number, call: DictionaryCall = {}): Promise<Uint8Array> {
    const active = await this.#sessions.find(infoHash);
    if (active === undefined)
      throw new SwarmError("unknown-bundle", `bundle ${number} (${infoHash}) is not known here`);
    this.#assertActive(active);
    const { signal = new AbortController().signal, silenceMs = this.#options.patience.noSourceMs } = call;
    const fetched = active.session.fetchInfoDictionary(signal, silenceMs);
    this.#dial(active);
    return await fetched;
  }

  offerInfoDictionary(infoHash: string, sizeBytes: number): void {
    const active = this.#sessions.get(infoHash);
    if (active === undefined) return;
    active.wireBundle = { ...active.wireBundle, metadataSizeBytes: sizeBytes };
    active.session.offerInfoDictionary(sizeBytes);
  }

  announceHave(infoHash: string, piece: number): void {
    this.#sessions.get(infoHash)?.session.announceHave(piece);
  }

  dropBundle(infoHash: string): void {
    this.#sessions.drop(infoHash, "dropped");
  }

  connections(): readonly SwarmConnection[] {
    return this.#sessions.all.flatMap(({ session }) =>
      [...session.peers].map(({ wire }) => ({
        peerId: wire.peerId,
        host: wire.remoteHost,
        bundleNumber: session.bundle.number,
        isOrigin: wire.isOrigin,
        isStockClient: wire.isStockClient,
        receivedBytes: wire.receivedBytes,
        sentBytes: wire.sentBytes,
      })),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#closing.abort();
    this.#cancelTick();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#knocking) socket.destroy();
    for (const { session } of this.#sessions.all) this.#sessions.drop(session.bundle.infoHash, "shutting down");
    await closed;
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  async #open(bundle: SwarmBundle): Promise<ActiveBundle> {
    const active = await this.#sessions.open(bundle);
    if (active.session.bundle === bundle) return active;
    throw new SwarmError("busy", `bundle ${bundle.number} is being downloaded already`);
  }

  /** @throws SwarmError `no-source` */
  #assertActive({ session }: ActiveBundle): void {
    const { infoHash, number } = session.bundle;
    if (this.#isClosed) throw new SwarmError("no-source", `bundle ${number}: shutting down`);
    if (this.#sessions.get(infoHash)?.session !== session)
      throw new SwarmError("no-source", `bundle ${number} was dropped meanwhile`);
  }

  #tick(): void {
    this.#sessions.tick(this.#options.clock.monotonicMs());
    for (const active of this.#sessions.all) this.#dial(active);
    this.#cancelTick = this.#options.clock.schedule(TICK_MS, () => this.#tick());
  }

  /** Calls whom the bundle needs now. */
  #dial(active: ActiveBundle): void {
    const { session, dialPlan, dialling, stockCalled } = active;
    if (!session.isWanting || this.#isClosed) return;
    const connected = [...session.peers].map((peer) => peer.peerId);
    const situation = {
      bundleNumber: session.bundle.number,
      known: this.#known.filter((peer) => this.#isAllowed(blamedId(peer))),
      busyIds: new Set([...connected, ...dialling, ...stockCalled]),
      pendingCount: dialling.size,
      isAllowed: () => true,
      needsOrigin: session.needsOrigin,
      sites: this.#sessions.sites,
      sharesWork: session.sharesWork,
    };
    for (const peer of dialPlan.choose(situation, this.#options.clock.monotonicMs())) void this.#call(active, peer);
  }

  #isAllowed(peerId: string): boolean {
    const { isRevoked, ownId } = this.#options;
    return peerId !== ownId && !isRevoked(peerId) && !this.#sessions.offences.isBanned(peerId);
  }

  async #call(active: ActiveBundle, peer: KnownPeer): Promise<void> {
    const { log, clock } = this.#options;
    const giveBackPlace = this.#places.take(peer.host);
    if (giveBackPlace === undefined) return;
    active.dialling.add(peer.id);
    try {
      const { infoHash } = active.session.bundle;
      const expected = peer.isStockClient === true ? {} : { peerId: peer.id };
      const target = { ...active.wireBundle, host: peer.host, port: peer.port, infoHash, ...expected };
      const wire = await dialPeer(target, this.#peerContext);
      this.#admit(wire, { active, isOutgoing: true, calledId: peer.id, giveBackPlace });
    } catch (error) {
      giveBackPlace();
      active.dialPlan.ended(peer.id, clock.monotonicMs());
      log.debug({ peer: peer.id, error: messageOf(error) }, "peer not reached");
    } finally {
      active.dialling.delete(peer.id);
    }
  }

  get #peerContext(): PeerContext {
    const { ownId, admission, clock, log, allowsStockClients } = this.#options;
    return { ownId, admission, clock, log, allowStockClients: allowsStockClients(), signal: this.#closing.signal };
  }

  async #welcome(socket: Socket): Promise<void> {
    socket.on("error", () => socket.destroy());
    const giveBackPlace = this.#places.take(socket.remoteAddress ?? "unknown");
    if (giveBackPlace === undefined || this.#isClosed) return void socket.destroy();
    this.#knocking.add(socket);
    try {
      const active = await this.#findAsked(socket);
      const { wire } = await acceptPeer(socket, { ...this.#peerContext, lookup: () => active.wireBundle });
      this.#admit(wire, { active, isOutgoing: false, giveBackPlace });
    } catch (error) {
      giveBackPlace();
      socket.destroy();
      this.#traffic.refused(socket.bytesRead, socket.bytesWritten);
      this.#options.log.debug({ host: socket.remoteAddress, error: messageOf(error) }, "peer not admitted");
    } finally {
      this.#knocking.delete(socket);
    }
  }

  async #findAsked(socket: Socket): Promise<ActiveBundle> {
    const infoHash = await readInfoHash(socket, this.#options.clock);
    const active = infoHash === undefined ? undefined : await this.#sessions.find(infoHash);
    if (active !== undefined && !socket.destroyed) return active;
    throw new NetError(
      "peer-refused",
      infoHash === undefined ? "not-bittorrent: no handshake" : `no bundle ${infoHash}`,
    );
  }

  #admit(wire: SocketPeerWire, arrival: Arrival): void {
    const { active, giveBackPlace, calledId = wire.peerId } = arrival;
    const { session } = active;
    // A stock client proves no id: it must not take the place of whoever has the one it claims.
    const claimant = wire.isStockClient ? `stock ${wire.remoteHost} ${wire.peerId}` : wire.peerId;
    const key = `${session.bundle.infoHash}:${claimant}`;
    this.#traffic.opened(wire, session.bundle.isMetadata === true);
    const refusal = this.#refusal(wire, key, arrival);
    if (refusal === undefined) {
      this.#admitted.get(key)?.wire.close("replaced by another connection");
      this.#admitted.set(key, { wire, isOutgoing: arrival.isOutgoing });
      if (wire.isStockClient && arrival.isOutgoing) active.stockCalled.add(calledId);
    }
    const listener = refusal === undefined ? session.join(wire) : undefined;
    const onClose = (reason: string): void => {
      giveBackPlace();
      active.stockCalled.delete(calledId);
      this.#traffic.closed(wire);
      if (this.#admitted.get(key)?.wire === wire) this.#admitted.delete(key);
      active.dialPlan.ended(calledId, this.#options.clock.monotonicMs());
      this.#options.log.debug({ peer: wire.peerId, bundle: session.bundle.number, reason }, "peer gone");
      listener?.onClose(reason);
    };
    if (listener !== undefined) return wire.setListener({ ...listener, onClose });
    wire.close(refusal ?? "refused");
    onClose(refusal ?? "refused");
  }

  /** Why an established connection is not kept. */
  #refusal(wire: PeerWire, key: string, { active, isOutgoing }: Arrival): string | undefined {
    const { infoHash } = active.session.bundle;
    if (this.#isClosed || this.#sessions.get(infoHash) !== active) return "no longer needed";
    if (!this.#isAllowed(wire.isStockClient ? stockClientId(wire.remoteHost) : wire.peerId)) return "revoked or banned";
    const other = this.#admitted.get(key);
    // Two sides that called each other keep the same one of two connections: the call of the lower id. A second call of
    // the same side means that it lost the first.
    if (other === undefined || other.isOutgoing === isOutgoing) return undefined;
    const isOursPreferred = this.#options.ownId < wire.peerId;
    return isOursPreferred === isOutgoing ? undefined : "connected already";
  }
}

/** Whose offences keep a known peer from being called. */
function blamedId({ isStockClient, host, id }: KnownPeer): string {
  return isStockClient === true ? stockClientId(host) : id;
}
