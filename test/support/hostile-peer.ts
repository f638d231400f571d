import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { decodeBencode, type BencodeDictionary } from "../../src/codec/bencode.ts";
import { encodePassMessage } from "../../src/swarm/wire/pass-message.ts";
import { createEnrolmentRequest } from "../../src/trust/enrolment.ts";
import { signPeerProof } from "../../src/trust/peer-proof.ts";
import { SigningKey, volunteerIdOf } from "../../src/trust/signing-key.ts";
import { parseTicket } from "../../src/trust/ticket.ts";
import type { HostileMoment } from "./hostile-frames.ts";
import { extendedFrame, frame, handshakeBytes } from "./wire-frames.ts";

/** A volunteer that central knows, in the hands of a test. */
export interface TestIdentity {
  readonly key: SigningKey;
  readonly pass: string;
}

/** Whom to talk to, about which bundle. */
export interface PeerTarget {
  readonly host: string;
  readonly port: number;
  /** 40 hex digits. */
  readonly infoHash: string;
  /** From which address of this host the call comes; any by default. */
  readonly localAddress?: string;
}

/** Where a peer says hello in another way than ours. */
export interface OddHello {
  /** The 8 reserved bytes of BEP 3. */
  readonly reserved?: Uint8Array;
  /** The dictionary of the extended handshake. */
  readonly extended?: string;
}

const HANDSHAKE_LENGTH = 68;
const RESERVED_AT = 20;
const MESSAGE = {
  unchoke: 1,
  bitfield: 5,
  request: 6,
  piece: 7,
  haveAll: 14,
  haveNone: 15,
  reject: 16,
  extended: 20,
} as const;
const HELD: ReadonlySet<number> = new Set([MESSAGE.bitfield, MESSAGE.haveAll, MESSAGE.haveNone]);
const BLOCK = 16_384;
const EXTENDED_HANDSHAKE = `d1:md6:prsynci1e11:ut_metadatai2ee6:prsyncd5:nonce32:${"n".repeat(32)}ee`;

/** Enrols by a ticket as `sync` would. */
export async function enrolTestVolunteer(ticketText: string): Promise<TestIdentity> {
  const { url, token, repository, name } = parseTicket(ticketText);
  const key = SigningKey.fromSeed(randomBytes(32));
  const body = createEnrolmentRequest(token, { repository, name, publicKey: key.publicKeyText });
  const response = await fetch(`${url}/.prsync/enrol`, { method: "POST", body: JSON.stringify(body) });
  const { pass } = (await response.json()) as { readonly pass: string };
  return { key, pass };
}

/** A socket that keeps to the protocol as far as it is told, and then says whatever the test wants. */
export class HostilePeer implements Disposable {
  /** Resolves when the connection is over, in whatever way. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  #isUnchoked = false;
  #received: Buffer = Buffer.alloc(0);
  #onData: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
    socket.setNoDelay(true);
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#onData();
    });
  }

  /** Connects and behaves until the moment has come. */
  static async reach(
    moment: HostileMoment,
    target: PeerTarget,
    identity: TestIdentity,
    hello: OddHello = {},
  ): Promise<HostilePeer> {
    const { host, port, localAddress } = target;
    const socket = connect({ host, port, ...(localAddress === undefined ? {} : { localAddress }) });
    const peer = new HostilePeer(socket);
    await once(socket, "connect");
    if (moment === "connected") return peer;
    const remoteId = await peer.#shakeHands(target, identity, hello.reserved ?? moment !== "admitted-without-fast");
    if (moment === "handshake-done") return peer;
    peer.send(extendedFrame(0, hello.extended ?? EXTENDED_HANDSHAKE));
    if (moment === "extended-done") return peer;
    await peer.#showPass(target, identity, remoteId);
    return peer;
  }

  /** The called side: takes a connection of a program and behaves until both are admitted. */
  static async answer(socket: Socket, target: PeerTarget, identity: TestIdentity): Promise<HostilePeer> {
    const peer = new HostilePeer(socket);
    const remoteId = await peer.#shakeHands(target, identity, true);
    peer.send(extendedFrame(0, EXTENDED_HANDSHAKE));
    await peer.#showPass(target, identity, remoteId);
    return peer;
  }

  /** The next request (BEP 3) of the other side. */
  async nextRequest(): Promise<{ readonly piece: number; readonly offset: number; readonly length: number }> {
    const body = await this.#frame((received) => received[0] === MESSAGE.request);
    return { piece: body.readUInt32BE(1), offset: body.readUInt32BE(5), length: body.readUInt32BE(9) };
  }

  /** From now on nothing is read: the other side's window fills. */
  stopReading(): void {
    this.#socket.pause();
  }

  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Asks as an honest peer would, again if it is rejected (the origin defers). Resolves to the bytes. */
  async fetchBlock(piece: number, length: number): Promise<Buffer> {
    this.send(frame(2));
    if (!this.#isUnchoked) await this.#frame((body) => body[0] === MESSAGE.unchoke);
    this.#isUnchoked = true;
    for (;;) {
      this.send(frame(6, piece, 0, length));
      const answer = await this.#frame((body) => body[0] === MESSAGE.piece || body[0] === MESSAGE.reject);
      if (answer[0] === MESSAGE.piece) return answer.subarray(9);
      await sleep(200);
    }
  }

  /** Asks for pieces 0 to `pieceCount` − 1 again and again, so many blocks at a time. @returns bytes that came meanwhile */
  async take(pieceCount: number, openRequests: number, durationMs: number): Promise<number> {
    const endMs = performance.now() + durationMs;
    let next = 0;
    const ask = (): void => this.send(frame(6, (next >> 2) % pieceCount, (next++ & 3) * BLOCK, BLOCK));
    for (let count = 0; count < openRequests; count++) ask();
    let takenBytes = 0;
    while (performance.now() < endMs) {
      const answer = await this.#frame((body) => body[0] === MESSAGE.piece || body[0] === MESSAGE.reject);
      if (answer[0] === MESSAGE.piece) takenBytes += answer.length - 9;
      ask();
    }
    return takenBytes;
  }

  /** Ends the connection behind what was sent, and waits until the other side has read all of it and closed, too. */
  async hangUp(): Promise<void> {
    this.#socket.end();
    await this.closed;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  /** @param bits the reserved bytes, or whether to set the bit of BEP 6 beside that of BEP 10 */
  async #shakeHands({ infoHash }: PeerTarget, { key }: TestIdentity, bits: Uint8Array | boolean): Promise<Buffer> {
    const peerId = volunteerIdOf(key.publicKey);
    const bytes = handshakeBytes({ infoHash, peerId, isFast: bits === true, isExtended: true });
    if (typeof bits !== "boolean") bytes.set(bits, RESERVED_AT);
    this.send(bytes);
    return (await this.#take(HANDSHAKE_LENGTH)).subarray(48);
  }

  /** Proves who it is, and waits until the other side says what it holds. */
  async #showPass({ infoHash }: PeerTarget, { key, pass }: TestIdentity, receiverId: Buffer): Promise<void> {
    const handshake = await this.#frame((body) => body[0] === MESSAGE.extended && body[1] === 0);
    const fields = decodeBencode(handshake.subarray(2)) as BencodeDictionary;
    const proof = {
      receiverNonce: (fields.get("prsync") as BencodeDictionary).get("nonce") as Uint8Array,
      signerId: Buffer.from(volunteerIdOf(key.publicKey), "hex"),
      receiverId,
      infoHash: Buffer.from(infoHash, "hex"),
    };
    const id = (fields.get("m") as BencodeDictionary).get("prsync") as number;
    this.send(extendedFrame(id, encodePassMessage({ pass, signature: signPeerProof(key, proof) })));
    await this.#frame((body) => HELD.has(body[0]!));
  }

  /** The body of the next frame that fits; others are dropped. */
  async #frame(fits: (body: Buffer) => boolean): Promise<Buffer> {
    for (;;) {
      const length = (await this.#take(4)).readUInt32BE();
      const body = await this.#take(length);
      if (length > 0 && fits(body)) return body;
    }
  }

  /** @throws Error if the other side closes before so much came */
  async #take(length: number): Promise<Buffer> {
    while (this.#received.length < length) {
      const data = new Promise<void>((resolve) => (this.#onData = resolve));
      const end = this.closed.then(() => {
        throw new Error("the peer closed the connection");
      });
      await Promise.race([data, end]);
    }
    const taken = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return taken;
  }
}
