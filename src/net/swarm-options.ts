import type { Clock, Random } from "../core/clock.ts";
import type { HostBandwidth } from "../swarm/host-bandwidth.ts";
import type { SwarmBundle } from "../swarm/ports.ts";
import type { SourcePatience } from "../swarm/running-download.ts";
import type { SwarmLog } from "../swarm/swarm-log.ts";
import type { PeerAdmission } from "./peer-admission.ts";

export interface SwarmLimits {
  /** In all, half-open ones included. */
  readonly connections: number;
  readonly connectionsPerAddress: number;
  /** Downloads at a time; more wait for their turn. */
  readonly activeBundles: number;
}

/** design.md §5; 40 per address because test swarms and institutes behind one address share it. */
export const DEFAULT_SWARM_LIMITS: SwarmLimits = { connections: 200, connectionsPerAddress: 40, activeBundles: 8 };

export interface SwarmNodeOptions {
  /** This program's peer id, 40 hex digits. */
  readonly ownId: string;
  readonly admission: PeerAdmission;
  readonly isOrigin: boolean;
  /** Whether clients without a pass may take part; asked for each connection. */
  readonly allowsStockClients: () => boolean;
  readonly host: string;
  /** 0 picks one. */
  readonly port: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: SwarmLog;
  readonly limits: SwarmLimits;
  /** Shared with the program's HTTP side; undefined: nothing is limited. */
  readonly bandwidth?: HostBandwidth;
  readonly patience: SourcePatience;
  /** A bundle that a peer asks for, or whose info dictionary is wanted; undefined if it is unknown here. */
  readonly findBundle: (infoHash: string) => Promise<SwarmBundle | undefined>;
  /** By volunteer id. */
  readonly isRevoked: (id: string) => boolean;
}
