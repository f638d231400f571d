import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";

/** What a customer has when its transfer is over. */
export interface Received {
  readonly bytes: Buffer;
  /** The transfer ended cleanly; else the customer knows by the length that it was told. */
  readonly isWhole: boolean;
}

/** A customer's transfer that stands still after the first bytes until it is told to go on. */
export class PausedDownload {
  readonly #response: IncomingMessage;

  private constructor(response: IncomingMessage) {
    this.#response = response;
  }

  /** @throws Error unless the answer is 200 */
  static async begin(url: string): Promise<PausedDownload> {
    const [response] = (await once(get(url, { agent: false }), "response")) as [IncomingMessage];
    if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
    // Without a reader nothing more than buffers are filled.
    await once(response, "readable");
    return new PausedDownload(response);
  }

  /** The customer goes away. */
  abort(): void {
    this.#response.destroy();
  }

  async rest(): Promise<Received> {
    const parts: Buffer[] = [];
    try {
      for await (const part of this.#response as AsyncIterable<Buffer>) parts.push(part);
    } catch {
      // Cut off.
    }
    return { bytes: Buffer.concat(parts), isWhole: this.#response.complete };
  }
}
