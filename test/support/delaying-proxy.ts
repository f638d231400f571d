import { connect, createServer, type Server, type Socket } from "node:net";
import { once } from "node:events";

/** TCP to another host that takes its time: whatever comes is passed on so much later, in order. */
export class DelayingProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Bytes passed on to who called. */
  returnedBytes = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Listens at `own`, calls `target`. @param delayMs each way */
  static async open(own: Address, target: Address, delayMs: number): Promise<DelayingProxy> {
    const server = createServer({ noDelay: true });
    const proxy = new DelayingProxy(server);
    server.on("connection", (caller) => {
      const called = connect({ ...target, noDelay: true });
      proxy.#pass(caller, called, { delayMs, count: () => undefined });
      proxy.#pass(called, caller, { delayMs, count: (bytes) => (proxy.returnedBytes += bytes) });
    });
    server.listen(own.port, own.host);
    await once(server, "listening");
    return proxy;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  #pass(from: Socket, to: Socket, { delayMs, count }: PassOptions): void {
    this.#sockets.add(from);
    from.on("error", () => undefined);
    from.on("data", (chunk: Buffer) => {
      setTimeout(() => {
        count(chunk.length);
        if (!to.destroyed) to.write(chunk);
      }, delayMs);
    });
    from.on("close", () => {
      this.#sockets.delete(from);
      setTimeout(() => to.destroy(), delayMs);
    });
  }
}

interface PassOptions {
  readonly delayMs: number;
  readonly count: (bytes: number) => void;
}

interface Address {
  readonly host: string;
  readonly port: number;
}
