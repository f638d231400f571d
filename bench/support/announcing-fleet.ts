import { setTimeout as sleep } from "node:timers/promises";
import { signRequest } from "../../src/trust/request-signature.ts";
import { volunteerIdOf } from "../../src/trust/signing-key.ts";
import { type FleetMember, holdingsOf } from "./filled-repository.ts";

/** So many announces at once are central's limit for one address; then 50 a second. */
const FIRST_BURST = 500;
const ANNOUNCES_PER_SECOND = 40;

export interface FleetOptions {
  readonly url: string;
  readonly repository: string;
  readonly contents: number;
  /** Between two announces of one volunteer. */
  readonly intervalMs: number;
}

/** Volunteers that announce for real, signed and in time, and do nothing else. Disposing it stops them. */
export class AnnouncingFleet implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly #members: readonly FleetMember[];
  readonly #options: FleetOptions;
  #running: Promise<void> = Promise.resolve();
  #sequence = Date.now();
  /** What central acknowledged last, by number. */
  readonly #holdingsIds: number[] = [];

  constructor(members: readonly FleetMember[], options: FleetOptions) {
    this.#members = members;
    this.#options = options;
  }

  /** Everybody announced once; from then on they go on, spread over the interval. */
  async start(): Promise<void> {
    for (const [number] of this.#members.entries()) {
      await this.#announce(number, holdingsOf(number, this.#options.contents));
      if (number >= FIRST_BURST) await sleep(1000 / ANNOUNCES_PER_SECOND);
    }
    this.#running = this.#goOn();
  }

  async #goOn(): Promise<void> {
    const pauseMs = this.#options.intervalMs / this.#members.length;
    for (let number = 0; !this.#stop.signal.aborted; number = (number + 1) % this.#members.length) {
      await sleep(pauseMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      if (this.#stop.signal.aborted) return;
      await this.#announce(number, { base: this.#holdingsIds[number]!, bundles: [] });
    }
  }

  async #announce(number: number, holdings: object): Promise<void> {
    const { key } = this.#members[number]!;
    const { url, repository } = this.#options;
    const id = volunteerIdOf(key.publicKey);
    const target = `/.prsync/announce?peer_id=${id.replace(/../g, "%$&")}&port=7382&uploaded=0&downloaded=0&left=0`;
    const body = JSON.stringify({ ...loadOf(number), repository, url: urlOf(number), holdings });
    const sequence = ++this.#sequence;
    const signature = signRequest(key, { method: "POST", target, sequence, body: Buffer.from(body) });
    const headers = {
      "Prsync-Volunteer": id,
      "Prsync-Sequence": String(sequence),
      "Prsync-Signature": signature,
    };
    const answer = await fetch(url + target, { method: "POST", body, headers });
    if (answer.status !== 200) throw new Error(`announce: ${answer.status} ${await answer.text()}`);
    this.#holdingsIds[number] = ((await answer.json()) as { readonly holdingsId: number }).holdingsId;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

function urlOf(number: number): string {
  return `http://mirror-${number}.example.org/debian`;
}

/** Lines of 100 Mbit/s to 10 Gbit/s, a tenth of the volunteers synchronising. */
function loadOf(number: number): object {
  const isSyncing = number % 10 === 9;
  return {
    release: 1,
    syncing: isSyncing,
    bytesLeft: isSyncing ? 1e9 : 0,
    customers: 0,
    customerBytesLeft: 0,
    uploadBytesPerSecond: 0,
    uploadCapacityBytesPerSecond: [12_500_000, 125_000_000, 1_250_000_000][number % 3]!,
    site: `site-${number % 100}`,
  };
}
