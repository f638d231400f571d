/** What may be asked of a peer now, in requests and in bytes: small ones cost the peer's time, large ones its line. */
export class RequestRoom {
  #requests: number;
  #bytes: number;

  constructor(requests: number, bytes: number) {
    this.#requests = requests;
    this.#bytes = bytes;
  }

  get isLeft(): boolean {
    return this.#requests > 0 && this.#bytes > 0;
  }

  /** One more request; the last one may go beyond the bytes. */
  take(lengthBytes: number): void {
    this.#requests--;
    this.#bytes -= lengthBytes;
  }
}
