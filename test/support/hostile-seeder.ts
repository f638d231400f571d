import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { signRequest } from "../../src/trust/request-signature.ts";
import { volunteerIdOf } from "../../src/trust/signing-key.ts";
import { HostilePeer, type TestIdentity } from "./hostile-peer.ts";
import { frame, prefix } from "./wire-frames.ts";

const BLOCK = 16_384;
let lastSequence = 0;
const HAVE_ALL = frame(14);
const UNCHOKE = frame(1);

/** What a seeder does with a mirror that it was admitted to; ends when the connection does. */
export interface SeederConduct {
  /** Of the matrix of faults. */
  readonly row: string;
  readonly name: string;
  /** Undefined: it does not even shake hands. */
  readonly act: ((peer: HostilePeer) => Promise<void>) | undefined;
  /** What the mirror says of it, if it notices more than silence. */
  readonly told?: string;
}

/** Claims everything, lets the mirror ask, and answers each request. */
async function answerEach(
  peer: HostilePeer,
  answer: (request: Awaited<ReturnType<HostilePeer["nextRequest"]>>) => void | Promise<void>,
): Promise<void> {
  peer.send(HAVE_ALL);
  peer.send(UNCHOKE);
  for (;;) await answer(await peer.nextRequest());
}

export const SEEDER_CONDUCTS: readonly SeederConduct[] = [
  {
    row: "P01",
    name: "gives wrong bytes",
    told: "isBanned=true",
    act: (peer) =>
      answerEach(peer, ({ piece, offset, length }) => peer.send(frame(7, piece, offset, randomBytes(length)))),
  },
  {
    row: "P02",
    name: "forges whole pieces, the same each time",
    told: "isBanned=true",
    act: (peer) =>
      answerEach(peer, ({ piece, offset, length }) => peer.send(frame(7, piece, offset, Buffer.alloc(length, piece)))),
  },
  {
    row: "P03",
    name: "claims everything and gives nothing",
    act: (peer) => answerEach(peer, () => undefined),
  },
  {
    row: "P03",
    name: "claims everything and rejects each request",
    act: (peer) => answerEach(peer, ({ piece, offset, length }) => peer.send(frame(16, piece, offset, length))),
  },
  {
    row: "P08",
    name: "begins a block and stops",
    act: (peer) => answerEach(peer, () => peer.send(prefix(9 + BLOCK, 7))),
  },
  {
    row: "P08",
    name: "accepts the connection and says nothing",
    act: undefined,
  },
  {
    row: "P11",
    name: "sends blocks that nobody asked for",
    told: "too many answers that were not asked for",
    act: async (peer) => {
      peer.send(HAVE_ALL);
      for (let count = 0; count < 1_000; count++) peer.send(frame(7, 0, 0, randomBytes(BLOCK)));
      await peer.closed;
    },
  },
  {
    row: "P11",
    name: "answers with another offset and another length",
    act: (peer) =>
      answerEach(peer, ({ piece, offset, length }) => {
        peer.send(frame(7, piece, offset, randomBytes(Math.max(1, length - 1))));
        peer.send(frame(7, piece, offset === 0 ? BLOCK : 0, randomBytes(BLOCK)));
      }),
  },
  {
    row: "P13",
    name: "unchokes and chokes without end",
    act: (peer) =>
      answerEach(peer, () => {
        peer.send(frame(0));
        peer.send(UNCHOKE);
      }),
  },
  {
    row: "N07",
    name: "cuts the connection in the middle of a block",
    act: (peer) =>
      answerEach(peer, async ({ piece, offset }) => {
        peer.send(Buffer.concat([prefix(9 + BLOCK, 7), frame(0, piece, offset).subarray(5), randomBytes(100)]));
        await sleep(50);
        peer[Symbol.dispose]();
      }),
  },
];

export interface SeederOptions {
  readonly identity: TestIdentity;
  readonly infoHash: string;
  readonly conduct: SeederConduct;
}

/** What an announce says beside the truth. */
export interface AnnounceLies {
  readonly moreQuery?: string;
  readonly moreFields?: Readonly<Record<string, unknown>>;
}

/** A volunteer with a pass and an open port that behaves as badly as it is told. */
export class HostileSeeder implements Disposable {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Connections that a mirror made. */
  calls = 0;
  /** Mirrors that it was admitted to and that told what they hold. */
  admissions = 0;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  static async open({ identity, infoHash, conduct }: SeederOptions): Promise<HostileSeeder> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const seeder = new HostileSeeder(server);
    server.on("connection", (socket) => {
      seeder.#sockets.add(socket);
      socket.on("error", () => undefined);
      seeder.calls++;
      if (conduct.act === undefined) return;
      const target = { host: "127.0.0.1", port: 0, infoHash };
      // The mirror may hang up at any moment, as it should; central's look at the port ends here, too.
      HostilePeer.answer(socket, target, identity)
        .then((peer) => {
          seeder.admissions++;
          return conduct.act!(peer);
        })
        .catch(() => undefined);
    });
    return seeder;
  }

  /** Says to central that it has the whole release. */
  async announce(
    central: { readonly url: string; readonly repository: string },
    identity: TestIdentity,
    { moreQuery = "", moreFields = {} }: AnnounceLies = {},
  ): Promise<void> {
    const id = volunteerIdOf(identity.key.publicKey);
    const query = `peer_id=${id.replace(/../g, "%$&")}&port=${this.port}&uploaded=0&downloaded=0&left=0${moreQuery}`;
    const target = `/.prsync/announce?${query}`;
    const figures = { bytesLeft: 0, customers: 0, uploadBytesPerSecond: 0, uploadCapacityBytesPerSecond: 0 };
    const holdings = { base: 0, complete: 1 };
    const facts = { repository: central.repository, release: 1, syncing: false, ...figures, holdings };
    const body = JSON.stringify({ ...facts, ...moreFields });
    // Two announces within a millisecond are quick, not a replay.
    const sequence = (lastSequence = Math.max(Date.now(), lastSequence + 1));
    const signature = signRequest(identity.key, { method: "POST", target, sequence, body: Buffer.from(body) });
    const headers = { "Prsync-Volunteer": id, "Prsync-Sequence": String(sequence), "Prsync-Signature": signature };
    const response = await fetch(central.url + target, { method: "POST", body, headers });
    if (response.status !== 200) throw new Error(`announce: ${response.status} ${await response.text()}`);
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}
