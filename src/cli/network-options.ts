import { parseByteSize } from "../core/byte-size.ts";
import { messageOf } from "../core/errors.ts";
import { DEFAULT_SWARM_LIMITS, type SwarmLimits } from "../net/swarm-options.ts";
import type { BandwidthLimits } from "../swarm/host-bandwidth.ts";
import { UsageError, type ParsedArguments } from "./arguments.ts";
import type { OptionSpec } from "./option-spec.ts";

/** Options of every program that takes part in the swarm. */
export const NETWORK_OPTIONS: readonly OptionSpec[] = [
  {
    name: "bwlimit",
    kind: "text",
    check: parseBandwidth,
    placeholder: "RATE|UP:DOWN",
    help: "KiB/s, or with a unit (2M), each way: HTTP and swarm together; 0: no limit",
  },
  {
    name: "max-connections",
    kind: "number",
    placeholder: "N",
    help: `connections to peers in all (default ${DEFAULT_SWARM_LIMITS.connections})`,
  },
];

export interface NetworkLimits {
  readonly swarmLimits: SwarmLimits;
  readonly bandwidth: BandwidthLimits;
}

/** @throws UsageError */
export function networkLimits(args: ParsedArguments): NetworkLimits {
  const connections = args.number("max-connections") ?? DEFAULT_SWARM_LIMITS.connections;
  if (connections < 1) throw new UsageError(["--max-connections: expected at least 1"]);
  return {
    swarmLimits: { ...DEFAULT_SWARM_LIMITS, connections },
    bandwidth: parseBandwidth(args.text("bwlimit") ?? "0"),
  };
}

/** "500" → 500 KiB/s each way as rsync has it, "2M:0" → 2 MiB/s up and no limit down. @throws UsageError */
export function parseBandwidth(text: string): BandwidthLimits {
  const [up = "", down = up, ...more] = text.split(":");
  if (more.length > 0) throw new UsageError([`--bwlimit: expected RATE or UP:DOWN, got "${text}"`]);
  return { uploadBytesPerSecond: parseRate(up), downloadBytesPerSecond: parseRate(down) };
}

function parseRate(text: string): number {
  try {
    const bytesPerSecond = parseByteSize(/^[\d.]+$/.test(text) ? `${text}K` : text);
    return bytesPerSecond === 0 ? Infinity : bytesPerSecond;
  } catch (error) {
    throw new UsageError([`--bwlimit: ${messageOf(error)}`]);
  }
}
