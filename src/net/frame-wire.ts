import Wire from "bittorrent-protocol";

/**
 * The wire library as a plain codec: frames in and bytes out without a tick between, so that everything a frame causes
 * has happened when {@link receive} returns. Its stream side is not used; the gate and the send queue take its place.
 */
export class FrameWire extends Wire {
  readonly #send: (bytes: Uint8Array) => void;

  constructor(type: "tcpIncoming" | "tcpOutgoing", send: (bytes: Uint8Array) => void) {
    super(type);
    this.#send = send;
    // A stream without an error listener takes the process with it.
    this.on("error", noop);
  }

  override push(chunk: Uint8Array | null): boolean {
    if (chunk === null) return super.push(null);
    this.#send(chunk);
    return true;
  }

  /** @param frame whole and judged by the gate */
  receive(frame: Uint8Array): void {
    this._write(frame, noop);
  }
}

function noop(): void {
  // nothing to do
}
