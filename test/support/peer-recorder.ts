import type { Bitfield } from "../../src/core/bitfield.ts";
import type { BlockRequest, PeerWireListener } from "../../src/swarm/wire/peer-wire.ts";

/** Writes down what the peer said. */
export class PeerRecorder implements PeerWireListener {
  readonly events: string[] = [];
  readonly blocks: Uint8Array[] = [];
  readonly requests: BlockRequest[] = [];
  readonly closed: Promise<string>;
  #resolveClosed: (reason: string) => void = () => undefined;
  #waiting: { readonly event: string; readonly resolve: () => void }[] = [];
  constructor() {
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
  }
  /** Resolves once an event starts with `event`. */
  async seen(event: string): Promise<void> {
    if (this.events.some((one) => one.startsWith(event))) return;
    await new Promise<void>((resolve) => this.#waiting.push({ event, resolve }));
  }
  #add(event: string): void {
    this.events.push(event);
    for (const waiting of this.#waiting.filter((one) => event.startsWith(one.event))) waiting.resolve();
  }
  onHeld(held: Bitfield): void {
    this.#add(`held ${held.count}`);
  }
  onHave(piece: number): void {
    this.#add(`have ${piece}`);
  }
  onDontHave(piece: number): void {
    this.#add(`dont-have ${piece}`);
  }
  onChoke(): void {
    this.#add("choke");
  }
  onUnchoke(): void {
    this.#add("unchoke");
  }
  onInterested(): void {
    this.#add("interested");
  }
  onUninterested(): void {
    this.#add("uninterested");
  }
  onRequest(request: BlockRequest): void {
    this.requests.push(request);
    this.#add(`request ${request.piece} ${request.offset} ${request.lengthBytes}`);
  }
  onCancel(request: BlockRequest): void {
    this.#add(`cancel ${request.piece}`);
  }
  onBlock(piece: number, offset: number, bytes: Uint8Array): void {
    this.blocks.push(Buffer.from(bytes));
    this.#add(`block ${piece} ${offset} ${bytes.length}`);
  }
  onReject(request: BlockRequest): void {
    this.#add(`reject ${request.piece} ${request.offset}`);
  }
  onMetadataRequest(index: number): void {
    this.#add(`metadata? ${index}`);
  }
  onMetadataBlock(index: number, bytes: Uint8Array | undefined): void {
    this.#add(`metadata ${index} ${bytes?.length}`);
  }
  onDrain(): void {
    this.#add("drain");
  }
  onClose(reason: string): void {
    this.#add(`close ${reason}`);
    this.#resolveClosed(reason);
  }
}
