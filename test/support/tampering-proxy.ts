import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Other bytes for an answer; undefined: 404. */
export type Tamper = (body: Buffer) => Uint8Array | undefined;

/** Somebody between a mirror and central: passes every request on and replaces the answers it is told to. */
export class TamperingProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #centralUrl: string;
  readonly #tampers: { readonly path: RegExp; readonly tamper: Tamper }[] = [];
  readonly #added = new Map<string, () => Uint8Array>();
  /** Requests whose answer was replaced since {@link clear}, as "METHOD PATH". */
  readonly replaced: string[] = [];

  private constructor(server: Server, centralUrl: string) {
    this.#server = server;
    this.#centralUrl = centralUrl;
    server.on("request", (asked, answer) => this.#pass(asked, answer));
  }

  static async start(centralUrl: string): Promise<TamperingProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new TamperingProxy(server, centralUrl);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Replaces the body of answers with status 2xx to paths that fit. */
  replace(path: RegExp, tamper: Tamper): void {
    this.#tampers.push({ path, tamper });
  }

  /** Answers a path below /.prsync/ itself, whatever central has there. */
  add(name: string, read: () => Uint8Array): void {
    this.#added.set(`/.prsync/${name}`, read);
  }

  clear(): void {
    this.#tampers.length = 0;
    this.#added.clear();
    this.replaced.length = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #pass(asked: IncomingMessage, answer: ServerResponse): void {
    const { method, headers, url } = asked;
    const added = this.#added.get(url!);
    if (added !== undefined) return void answer.end(added());
    const passed = request(`${this.#centralUrl}${url}`, { method: method!, headers });
    passed.on("error", () => answer.destroy());
    passed.on("response", (response) => {
      const tamper = this.#tampers.find(({ path }) => path.test(url!))?.tamper;
      if (tamper === undefined || response.statusCode! >= 300) {
        answer.writeHead(response.statusCode!, response.headers);
        return response.pipe(answer);
      }
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("end", () => this.#answer(`${method} ${url}`, tamper(Buffer.concat(parts)), { response, answer }));
      return undefined;
    });
    asked.pipe(passed);
  }

  #answer(
    name: string,
    body: Uint8Array | undefined,
    { response, answer }: { response: IncomingMessage; answer: ServerResponse },
  ): void {
    this.replaced.push(name);
    const { "content-length": _length, "transfer-encoding": _coding, ...headers } = response.headers;
    const lengthBytes = body?.length ?? 0;
    answer.writeHead(body === undefined ? 404 : response.statusCode!, { ...headers, "content-length": lengthBytes });
    answer.end(body);
  }
}

/** The same bytes but for one bit of the byte at `position` (from the end if negative). */
export function flipBit(position: number): Tamper {
  return (body) => {
    const flipped = Buffer.from(body);
    const at = position < 0 ? body.length + position : position;
    flipped[at] = flipped[at]! ^ 1;
    return flipped;
  };
}
