import type { Clock } from "../core/clock.ts";
import type { RequestRate } from "../delivery/request-budget.ts";
import type { SlowReaderLimits } from "../net/http-server-slow-readers.ts";
import { DEFAULT_HTTP_SERVER_OPTIONS, type HttpServerOptions } from "../net/http-server.ts";
import { DEFAULT_SWARM_LIMITS, type SwarmLimits } from "../net/swarm-options.ts";
import type { TreeWatcherOptions } from "../net/tree-watcher.ts";
import { type BandwidthLimits, UNLIMITED_BANDWIDTH } from "../swarm/host-bandwidth.ts";
import { SiteTable } from "../tracker/site-table.ts";
import type { RedirectOptions } from "./customer-choice.ts";
import type { RepositoryAuthority, ServeLog } from "./ports.ts";
import type { PublishedTree } from "./published-tree.ts";
import { LOOPBACK_NETWORKS, type StatusNetwork } from "./status-access.ts";

/** What `prsync serve` is told. */
export interface ServeOptions {
  /** Watched if {@link watch} is set; never read for serving. */
  readonly treePath: string;
  /** Registry, identity, control socket, lock; 0700. */
  readonly stateDirectory: string;
  readonly listenHost: string;
  /** HTTP; 0 picks one. */
  readonly listenPort: number;
  /** BEP 3; 0 picks one. Same host. */
  readonly peerPort: number;
  /** How the world reaches the HTTP port, without a slash at the end. */
  readonly publicUrl: string | undefined;
  /** Proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  /** `--status-from`: who sees of the volunteers what only the operator should. */
  readonly statusNetworks: readonly StatusNetwork[];
  /** `--sites`: names of sites by address. */
  readonly siteTable: SiteTable;
  /** `--fair-sites`: pieces have homes, so that each site gives others about what it takes (decision 0011). */
  readonly areSitesFair: boolean;
  /** Customers to volunteers; undefined: central serves all itself (`--no-redirect`). */
  readonly redirects: RedirectOptions | undefined;
  /** `--open`: stock BitTorrent clients may join. */
  readonly allowStockClients: boolean;
  /** Between two announces of a volunteer, 10 s to 30 min. */
  readonly announceIntervalMs: number;
  readonly stockIntervalMs: number;
  /** How often a publish by another process is looked for. */
  readonly refreshIntervalMs: number;
  readonly registrySaveIntervalMs: number;
  /** Mean time between two audits of a volunteer; 0: none are audited. */
  readonly auditIntervalMs: number;
  /** Addresses of this host that audits come from; none: the system's choice. */
  readonly auditFrom: readonly string[];
  /** How often it is looked whether metadata must be signed anew. */
  readonly renewalIntervalMs: number;
  readonly slowReaders: SlowReaderLimits;
  /** Of customers, per address; undefined: no limit. */
  readonly requestRate: RequestRate | undefined;
  readonly swarmLimits: SwarmLimits;
  /** Of HTTP and swarm together. */
  readonly bandwidth: BandwidthLimits;
  /** `--watch`: publish when TREE is quiet after a change; undefined to leave it alone. */
  readonly watch: TreeWatcherOptions | undefined;
}

/** Ports of design.md §6; everything but TREE and its state. */
export const DEFAULT_SERVE_OPTIONS: Omit<ServeOptions, "treePath" | "stateDirectory"> = {
  listenHost: "::",
  listenPort: 7380,
  peerPort: 7382,
  publicUrl: undefined,
  trustedProxies: [],
  statusNetworks: LOOPBACK_NETWORKS,
  siteTable: new SiteTable(),
  areSitesFair: false,
  redirects: { policy: "near", minBytes: 16 * 1024 },
  allowStockClients: false,
  announceIntervalMs: 60_000,
  stockIntervalMs: 30 * 60_000,
  refreshIntervalMs: 3_000,
  registrySaveIntervalMs: 10_000,
  auditIntervalMs: 15 * 60_000,
  auditFrom: [],
  renewalIntervalMs: 3_600_000,
  slowReaders: DEFAULT_HTTP_SERVER_OPTIONS.slowReaders,
  requestRate: DEFAULT_HTTP_SERVER_OPTIONS.requestRate,
  swarmLimits: DEFAULT_SWARM_LIMITS,
  bandwidth: UNLIMITED_BANDWIDTH,
  watch: undefined,
};

/** What `serve` works with; whoever made these disposes them afterwards. */
export interface ServePorts {
  readonly tree: PublishedTree;
  readonly authority: RepositoryAuthority;
  readonly clock: Clock;
  readonly log: ServeLog;
  /** Hears of every request over HTTP once it is answered. */
  readonly onAnswered?: HttpServerOptions["onAnswered"];
  /** Publishes TREE in a process of its own; needed for {@link ServeOptions.watch} alone. */
  readonly publish?: () => Promise<void>;
}
