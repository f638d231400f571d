import type { FileAnswer } from "../delivery/file-answer.ts";
import { contentBytesOf } from "../net/file-response.ts";
import type { MirrorSituation } from "./mirror-situation.ts";

/** An answer to a customer that is being sent: counted in the load that central is told of until it is disposed. */
export class CustomerTransfer implements Disposable {
  readonly #situation: MirrorSituation;
  #bytesLeft: number;

  constructor(situation: MirrorSituation, answer: FileAnswer) {
    this.#situation = situation;
    this.#bytesLeft = contentBytesOf(answer);
    this.#change(1, this.#bytesLeft);
  }

  /** So many bytes were read to be sent. */
  noteRead(bytes: number): void {
    const counted = Math.min(bytes, this.#bytesLeft);
    this.#bytesLeft -= counted;
    this.#change(0, -counted);
  }

  [Symbol.dispose](): void {
    this.#change(-1, -this.#bytesLeft);
    this.#bytesLeft = 0;
  }

  #change(customers: number, bytes: number): void {
    const { load } = this.#situation;
    this.#situation.load = {
      ...load,
      customers: load.customers + customers,
      customerBytesLeft: load.customerBytesLeft + bytes,
    };
  }
}
