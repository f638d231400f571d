import { isSystemError } from "../core/errors.ts";
import { NetError } from "../net/errors.ts";
import { createSwarmNode, type SwarmNode } from "../net/swarm-node.ts";
import type { SwarmNodeOptions } from "../net/swarm-options.ts";

/**
 * The swarm on the port asked for; with `takesAnyPort` on a free one if another program, central or a second mirror of this host
 * for instance, has that.
 * @throws NetError `listen-failed`
 */
export async function listenForPeers(
  { takesAnyPort }: { readonly takesAnyPort?: boolean },
  options: SwarmNodeOptions,
): Promise<SwarmNode> {
  try {
    return await createSwarmNode(options);
  } catch (error) {
    const isTaken = error instanceof NetError && isSystemError(error.cause, "EADDRINUSE");
    if (takesAnyPort !== true || !isTaken) throw error;
    options.log.info({ taken: options.port }, "another program has the peer port; a free one is taken");
    return await createSwarmNode({ ...options, port: 0 });
  }
}
