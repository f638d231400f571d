import { randomBytes } from "node:crypto";
import { seededRandom } from "../../src/core/clock.ts";
import { PassAdmission } from "../../src/net/pass-admission.ts";
import { realClock } from "../../src/net/real-clock.ts";
import { createSwarmNode, type SwarmNode } from "../../src/net/swarm-node.ts";
import { DEFAULT_SWARM_LIMITS, type SwarmNodeOptions } from "../../src/net/swarm-options.ts";
import type { KnownPeer, SwarmBundle } from "../../src/swarm/ports.ts";
import { DEFAULT_SOURCE_PATIENCE } from "../../src/swarm/running-download.ts";
import { issuePass, PASS_VALIDITY_MS } from "../../src/trust/pass.ts";
import { SigningKey, volunteerIdOf } from "../../src/trust/signing-key.ts";
import { silentLog } from "./memory-swarm.ts";

const REPOSITORY = "0123456789abcdef0123456789abcdef";

/** Whoever shares it admits each other. */
export class SwarmTown {
  readonly #passSigner = SigningKey.fromSeed(randomBytes(32));
  readonly revoked = new Set<string>();

  /** A real node on loopback with a key and a pass of its own. */
  async open(bundles: readonly SwarmBundle[], options: Partial<SwarmNodeOptions> = {}): Promise<SwarmProgram> {
    const key = SigningKey.fromSeed(randomBytes(32));
    const ownId = volunteerIdOf(key.publicKey);
    const isOrigin = options.isOrigin ?? false;
    const pass = issuePass(
      this.#passSigner,
      { repository: REPOSITORY, publicKey: key.publicKey, origin: isOrigin },
      Date.now() + PASS_VALIDITY_MS,
    );
    const isRevoked = (id: string): boolean => this.revoked.has(id);
    const node = await createSwarmNode({
      ownId,
      admission: new PassAdmission({
        key,
        repository: REPOSITORY,
        clock: realClock,
        pass: () => pass,
        passKey: () => this.#passSigner.publicKey,
        isRevoked,
      }),
      isOrigin,
      allowsStockClients: () => false,
      host: "127.0.0.1",
      port: 0,
      clock: realClock,
      random: seededRandom(1),
      log: silentLog,
      limits: DEFAULT_SWARM_LIMITS,
      patience: DEFAULT_SOURCE_PATIENCE,
      findBundle: async (infoHash) => bundles.find((bundle) => bundle.infoHash === infoHash),
      isRevoked,
      ...options,
    });
    const known = { id: ownId, host: "127.0.0.1", port: node.port, isOrigin, mayHold: (): boolean => true };
    return { node, known, [Symbol.asyncDispose]: () => node[Symbol.asyncDispose]() };
  }
}

export interface SwarmProgram extends AsyncDisposable {
  readonly node: SwarmNode;
  /** As a tracker would name it. */
  readonly known: KnownPeer;
}
