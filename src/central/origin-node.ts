import { join } from "node:path";
import { PassAdmission } from "../net/pass-admission.ts";
import { createSwarmNode, type SwarmNode } from "../net/swarm-node.ts";
import { readOrCreateKeyFile } from "../store/key-file.ts";
import type { HostBandwidth } from "../swarm/host-bandwidth.ts";
import { DEFAULT_SOURCE_PATIENCE } from "../swarm/running-download.ts";
import { volunteerIdOf } from "../trust/signing-key.ts";
import { OpenContents } from "./open-contents.ts";
import { originBundle, originMetadataBundle } from "./origin-bundle.ts";
import type { RevokedIds } from "./revoked-ids.ts";
import type { ServeOptions, ServePorts } from "./serve-options.ts";
import { passFor } from "./volunteer-passes.ts";

/** Central as a seed of last resort. */
export interface OriginNode extends AsyncDisposable {
  /** Peer id, 40 hex digits. */
  readonly id: string;
  readonly node: SwarmNode;
  /** Call it every few seconds: files that nobody reads any more are closed. */
  closeIdleContents(): Promise<void>;
}

export const ORIGIN_KEY_FILE = "origin.pem";
const PASS_RENEWAL_MS: number = 24 * 3_600_000;

/**
 * Joins the swarm with an identity of its own, kept in the state directory, and a pass that says "origin".
 *
 * @throws NetError `listen-failed`; StoreError, TrustError if the identity can't be read
 */
export async function createOriginNode(
  options: ServeOptions,
  ports: ServePorts,
  host: { readonly revoked: RevokedIds; readonly bandwidth: HostBandwidth },
): Promise<OriginNode> {
  const { tree, authority, clock, log } = ports;
  const key = await readOrCreateKeyFile(join(options.stateDirectory, ORIGIN_KEY_FILE));
  const contents = new OpenContents(tree);
  const pass = renewing(clock, PASS_RENEWAL_MS, () =>
    passFor(authority, clock, { publicKey: key.publicKey, origin: true }),
  );
  const id = volunteerIdOf(key.publicKey);
  const isRevoked = (volunteer: string): boolean => host.revoked.has(volunteer);
  const passKey = (): Uint8Array => authority.passSigner.publicKey;
  const node = await createSwarmNode({
    ownId: id,
    admission: new PassAdmission({ key, repository: authority.repositoryId, clock, pass, passKey, isRevoked }),
    isOrigin: true,
    allowsStockClients: () => options.allowStockClients,
    host: options.listenHost,
    port: options.peerPort,
    clock,
    random: Math.random,
    log,
    limits: options.swarmLimits,
    bandwidth: host.bandwidth,
    patience: DEFAULT_SOURCE_PATIENCE,
    findBundle: async (infoHash) => {
      const bundle = await tree.bundle(infoHash);
      if (bundle !== undefined) return originBundle(bundle, tree, contents);
      const metadata = await tree.metadataBundle(infoHash);
      return metadata && originMetadataBundle(metadata, tree);
    },
    isRevoked,
  });
  return {
    id,
    node,
    closeIdleContents: () => contents.closeIdle(),
    [Symbol.asyncDispose]: async () => {
      await node[Symbol.asyncDispose]();
      await contents[Symbol.asyncDispose]();
    },
  };
}

/** A value that is made again when it is older than `maxAgeMs`. */
function renewing(clock: ServePorts["clock"], maxAgeMs: number, make: () => string): () => string {
  let value: string | undefined;
  let madeMs = 0;
  return () => {
    const nowMs = clock.monotonicMs();
    if (value !== undefined && nowMs - madeMs < maxAgeMs) return value;
    madeMs = nowMs;
    value = make();
    return value;
  };
}
