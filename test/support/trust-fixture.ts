import { mkdtemp, rm } from "node:fs/promises";
import { type Server, createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../../src/core/clock.ts";
import { encodeRelease } from "../../src/manifest/release.ts";
import type { TufRepository } from "../../src/publisher/tuf-repository.ts";

const NOTHING = { sha256: "0".repeat(64), lengthBytes: 0 };

/** Bytes of a well-formed release.json. */
export function releaseBytes(repository: TufRepository, number: number, repositoryId?: string): Uint8Array {
  return encodeRelease({
    requires: [],
    repository: repositoryId ?? repository.repositoryId,
    number,
    created: "2026-11-20T11:00:00Z",
    previous: undefined,
    swarmSize: 65_536,
    passKey: repository.passKey,
    totals: { entries: 0, files: 0, bytes: 0, contents: 0 },
    root: { mode: 0o755, mtimeNs: 0n },
    index: NOTHING,
    changes: [],
    bundles: NOTHING,
    metadata: [],
  });
}

/** The real time plus what the test added. */
export class ShiftedClock implements Clock {
  shiftMs = 0;
  monotonicMs(): number {
    return performance.now();
  }
  wallMs(): number {
    return Date.now() + this.shiftMs;
  }
  schedule(): () => void {
    throw new Error("not used");
  }
}

export async function temporaryDirectory(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "prsync-trust-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** Serves the metadata of a repository over HTTP on loopback; single answers can be replaced. */
export class MetadataServer implements AsyncDisposable {
  repository: TufRepository;
  /** By the name under /.prsync/tuf/: other bytes, nothing (404), or any behaviour. */
  readonly instead = new Map<string, Uint8Array | undefined | Answer>();
  /** Names asked for since the test cleared it. */
  readonly asked: string[] = [];
  readonly #server: Server;

  private constructor(repository: TufRepository) {
    this.repository = repository;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async listen(repository: TufRepository): Promise<MetadataServer> {
    const served = new MetadataServer(repository);
    await new Promise<void>((resolve) => served.#server.listen(0, "127.0.0.1", resolve));
    return served;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const name = (request.url ?? "").replace("/.prsync/tuf/", "");
    this.asked.push(name);
    const instead = this.instead.get(name);
    if (typeof instead === "function") return instead(request, response);
    const bytes = this.instead.has(name) ? instead : await this.repository.tufFile(name);
    if (bytes === undefined) response.writeHead(404).end();
    else response.writeHead(200, { "content-length": bytes.length }).end(bytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
