import { randomBytes } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import type { SwarmLog } from "../swarm/swarm-log.ts";
import {
  DONT_HAVE_EXTENSION,
  METADATA_EXTENSION,
  NONCE_BYTES,
  PRSYNC_EXTENSION,
} from "../swarm/wire/extended-handshake.ts";
import type { PieceGeometry } from "../swarm/wire/frame-rules.ts";
import { encodePassMessage, parsePassMessage } from "../swarm/wire/pass-message.ts";
import { NetError } from "./errors.ts";
import type { PeerAdmission, PeerBinding } from "./peer-admission.ts";
import type { PeerLink } from "./peer-link.ts";
import { type AdmittedPeer, MAX_INCOMING_REQUESTS, SocketPeerWire } from "./socket-peer-wire.ts";

/** For connecting, both handshakes and both passes together. */
export const ESTABLISHMENT_DEADLINE_MS = 10_000;

/** Who this side is and whom it lets in. */
export interface PeerContext {
  /** This side's peer id, 40 hex digits. */
  readonly ownId: string;
  readonly admission: PeerAdmission;
  /** Whether BEP 3 clients without a pass are served. */
  readonly allowStockClients: boolean;
  readonly clock: Clock;
  readonly log?: SwarmLog | undefined;
  /** Ends what is not established yet. */
  readonly signal?: AbortSignal;
}

/** A bundle as connections need to know it. */
export interface WireBundle extends PieceGeometry {
  /** Length of the bencoded info dictionary, if it can be given (BEP 9). */
  readonly metadataSizeBytes?: number;
}

/** One side's part in getting to know the other. */
export interface EstablishmentSide {
  /** The bundle that the peer's handshake names, or why there is no connection. */
  readonly bundleFor: (infoHash: string, peerId: string) => WireBundle | { readonly refused: string };
  /** True if the peer spoke first: our handshake is the answer. */
  readonly answers: boolean;
}

/** @throws (rejects) NetError `peer-unreachable`, `peer-refused` */
export function establish(
  link: PeerLink,
  side: EstablishmentSide,
  context: PeerContext,
): Promise<{ readonly wire: SocketPeerWire; readonly infoHash: string }> {
  return new Promise((resolve, reject) => {
    new Establishment(link, side, context).run(resolve, reject);
  });
}

type Resolve = (established: { readonly wire: SocketPeerWire; readonly infoHash: string }) => void;

/** Handshake → extended handshake → passes (docs/protocol.md, "Peers"); the link's closing is its only failure. */
class Establishment {
  readonly #link: PeerLink;
  readonly #side: EstablishmentSide;
  readonly #context: PeerContext;
  readonly #ownNonce: Uint8Array = randomBytes(NONCE_BYTES);
  #bundle: WireBundle | undefined;
  #infoHash = "";
  #resolve: Resolve = () => undefined;

  constructor(link: PeerLink, side: EstablishmentSide, context: PeerContext) {
    this.#link = link;
    this.#side = side;
    this.#context = context;
  }

  run(resolve: Resolve, reject: (error: NetError) => void): void {
    const { clock, signal } = this.#context;
    const stop = (): void => this.#link.close("stopped");
    const cancelDeadline = clock.schedule(ESTABLISHMENT_DEADLINE_MS, () => {
      this.#link.close("the handshakes took too long");
    });
    const settle = (): void => {
      cancelDeadline();
      signal?.removeEventListener("abort", stop);
    };
    this.#resolve = (established) => {
      settle();
      resolve(established);
    };
    this.#link.onClose = (reason) => {
      settle();
      const code = this.#link.hasConnected ? "peer-refused" : "peer-unreachable";
      reject(new NetError(code, `peer ${this.#link.remoteHost}: ${reason}`));
    };
    signal?.addEventListener("abort", stop);
    if (signal?.aborted === true) return stop();
    const { wire } = this.#link;
    wire.extendedMapping = {
      [PRSYNC_EXTENSION]: "prsync",
      [METADATA_EXTENSION]: "ut_metadata",
      [DONT_HAVE_EXTENSION]: "lt_donthave",
    };
    wire.on("handshake", this.#onHandshake);
    wire.on("extended", this.#onExtended);
  }

  readonly #onHandshake = (
    infoHash: string,
    peerId: string,
    extensions: { fast: boolean; extended: boolean },
  ): void => {
    const { allowStockClients, ownId } = this.#context;
    if (peerId === ownId) return this.#link.close("connected to itself");
    if (!extensions.extended && !allowStockClients) return this.#link.close("no extension protocol, so no pass");
    const bundle = this.#side.bundleFor(infoHash, peerId);
    if ("refused" in bundle) return this.#link.close(bundle.refused);
    this.#bundle = bundle;
    this.#infoHash = infoHash;
    const { wire, gate } = this.#link;
    gate.expectExtended({ geometry: bundle, isFast: extensions.fast, holdsEarlyFrames: allowStockClients });
    wire.extendedHandshake = this.#extendedHandshake(bundle);
    if (this.#side.answers) wire.handshake(infoHash, ownId, { fast: true });
    if (!extensions.extended) this.#finish({ isStockClient: true, isOrigin: false, site: undefined });
  };

  readonly #onExtended = (extension: string, payload: Uint8Array): void => {
    if (this.#link.closeReason !== undefined) return;
    if (extension === "handshake") this.#onExtendedHandshake();
    else if (extension === "prsync") this.#onPass(payload);
  };

  #onExtendedHandshake(): void {
    const { nonce, extensionIds } = this.#link.gate.extendedHandshake!;
    if (nonce === undefined) {
      if (!this.#context.allowStockClients) return this.#link.close("a peer without a pass");
      return this.#finish({ isStockClient: true, isOrigin: false, site: undefined });
    }
    const id = extensionIds.get("prsync");
    if (id === undefined) return this.#link.close("a nonce without the prsync extension");
    this.#link.gate.expectPass();
    const { admission } = this.#context;
    const signature = admission.prove(this.#binding(nonce, "own"));
    this.#link.wire.extended(id, encodePassMessage({ pass: admission.pass(), signature }));
  }

  #onPass(payload: Uint8Array): void {
    const result = this.#context.admission.admit(parsePassMessage(payload), this.#binding(this.#ownNonce, "other"));
    if (!result.ok) return this.#link.close(result.reason);
    this.#finish({ isStockClient: false, isOrigin: result.isOrigin, site: result.site });
  }

  #finish(kind: Pick<AdmittedPeer, "isStockClient" | "isOrigin" | "site">): void {
    const { wire, gate } = this.#link;
    wire.off("handshake", this.#onHandshake);
    wire.off("extended", this.#onExtended);
    gate.open();
    this.#link.isStockClient = kind.isStockClient;
    this.#link.pause();
    const { clock } = this.#context;
    const peer = { ...kind, peerId: wire.peerId!, geometry: this.#bundle!, clock };
    this.#resolve({ wire: new SocketPeerWire(this.#link, peer), infoHash: this.#infoHash });
  }

  #extendedHandshake(bundle: WireBundle): Record<string, unknown> {
    return {
      v: "PRsync",
      reqq: MAX_INCOMING_REQUESTS,
      prsync: { nonce: this.#ownNonce },
      ...(bundle.metadataSizeBytes === undefined ? {} : { metadata_size: bundle.metadataSizeBytes }),
    };
  }

  #binding(receiverNonce: Uint8Array, signer: "own" | "other"): PeerBinding {
    const own = Buffer.from(this.#context.ownId, "hex");
    const other = Buffer.from(this.#link.wire.peerId!, "hex");
    const [signerId, receiverId] = signer === "own" ? [own, other] : [other, own];
    return { receiverNonce, signerId, receiverId, infoHash: Buffer.from(this.#infoHash, "hex") };
  }
}
