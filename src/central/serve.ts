import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { messageOf } from "../core/errors.ts";
import { displayPath } from "../core/repo-path.ts";
import { SentSamples } from "../delivery/sent-samples.ts";
import { VolunteerMisses } from "../delivery/volunteer-misses.ts";
import { listenControl } from "../net/control-server.ts";
import { DEFAULT_HTTP_SERVER_OPTIONS, type HttpServer, listenHttp } from "../net/http-server.ts";
import { paceOf } from "../net/pace.ts";
import type { SwarmNode } from "../net/swarm-node.ts";
import { watchTree } from "../net/tree-watcher.ts";
import { wildcardHost } from "../net/wildcard-host.ts";
import { acquireLock } from "../store/lock.ts";
import { ensurePrivateDirectory } from "../store/state-directory.ts";
import type { VolunteerRegistry } from "../store/volunteer-registry.ts";
import { HostBandwidth } from "../swarm/host-bandwidth.ts";
import { viewOfOrigin } from "../swarm/site-view.ts";
import { LiveVolunteers } from "../tracker/live-volunteers.ts";
import type { VolunteerStateStore } from "../tracker/volunteer-states.ts";
import { DEFAULT_STOCK_SWARM_LIMITS, StockSwarms } from "../tracker/stock-swarms.ts";
import { registerAnnounceRoutes } from "./announce-routes.ts";
import { AdmittedVolunteers } from "./admitted-volunteers.ts";
import { AuditAddresses } from "./audit-addresses.ts";
import { CentralCounters } from "./central-counters.ts";
import { centralStatus, type CentralStatus, type StatusContext } from "./central-status.ts";
import { closeRegistry, loadTold, openRegistry } from "./central-registry.ts";
import { controlCommands } from "./control-commands.ts";
import { CONTROL_SOCKET } from "./control-socket.ts";
import { registerEnrolmentRoute } from "./enrolment-routes.ts";
import { CustomerChoice, type CustomerTraces } from "./customer-choice.ts";
import { CustomerVolunteers } from "./customer-volunteers.ts";
import { CentralError } from "./errors.ts";
import { GoneContents } from "./gone-contents.ts";
import { protocolOf, registerFileRoutes } from "./file-routes.ts";
import { registerMetadataRoutes } from "./metadata-routes.ts";
import { createOriginNode, type OriginNode } from "./origin-node.ts";
import { OperatorWarnings } from "./operator-warnings.ts";
import { startPeriodic } from "./periodic.ts";
import { PortChecks } from "./port-checks.ts";
import { RedirectFront } from "./redirect-front.ts";
import { RedirectSignatures } from "./redirect-signatures.ts";
import { ReleaseEvents } from "./release-events.ts";
import { ReleasedFiles } from "./released-files.ts";
import { RevokedIds } from "./revoked-ids.ts";
import { SavedRegistry } from "./saved-registry.ts";
import type { ServeOptions, ServePorts } from "./serve-options.ts";
import { StatusEvents } from "./status-events.ts";
import { SeenCustomers } from "./seen-customers.ts";
import { StatusHistory } from "./status-history.ts";
import { StatusAccess } from "./status-access.ts";
import { registerStatusRoutes, renderStatus } from "./status-routes.ts";
import { VolatileAssignments } from "./volatile-assignments.ts";
import { VolunteerAddresses } from "./volunteer-addresses.ts";
import { VolunteerAudits } from "./volunteer-audits.ts";

/** A running `prsync serve`. Disposing it ends within 5 s. */
export interface CentralProgram extends AsyncDisposable {
  /** On the address it listens at, without a slash at the end. */
  readonly httpUrl: string;
  readonly httpPort: number;
  readonly peerPort: number;
  /** Looks for a new release at once; the number of the current one, 0 if there is none. */
  refreshNow(): Promise<number>;
  status(): CentralStatus;
}

/** How old what an open status page shows may be. */
const STATUS_INTERVAL_MS = 2_000;

/**
 * Starts central: tracker, origin, files for customers, renewal of metadata.
 *
 * @throws CentralError `serve-running`, `bad-audit-address`; NetError `listen-failed`, `watch-failed`; StoreError if the state can't be used
 */
export async function serveTree(asked: ServeOptions, ports: ServePorts): Promise<CentralProgram> {
  await using stack = new AsyncDisposableStack();
  const options = asked.listenHost === "::" ? { ...asked, listenHost: await wildcardHost() } : asked;
  const auditAddresses = await AuditAddresses.open(options.auditFrom);
  ensurePrivateDirectory(options.stateDirectory);
  stack.use(await lockServe(options.stateDirectory));
  const registry = openRegistry(options.stateDirectory, ports);
  stack.defer(() => closeRegistry(registry, ports));
  const live = new LiveVolunteers(ports.clock, options.announceIntervalMs, options.siteTable);
  const saved = new SavedRegistry(options.stateDirectory, live);
  await loadTold(saved, ports.log);
  stack.defer(async () => {
    await saved
      .save()
      .catch((error: unknown) => ports.log.error({ error: messageOf(error) }, "saving the registry failed"));
  });
  const revoked = new RevokedIds(registry);
  const bandwidth = new HostBandwidth(options.bandwidth, ports.clock.monotonicMs());
  const origin = stack.use(await createOriginNode(options, ports, { revoked, bandwidth }));
  const parts: Parts = { options, ports, registry, live, saved, revoked, bandwidth, origin, auditAddresses };
  const events = new ReleaseEvents(ports.tree);
  const central = new Central(parts, events);
  await central.renew();
  await ports.tree.refresh();
  const http = stack.use(await central.listen());
  // Event streams never end by themselves, so they end before the server waits for its connections.
  stack.use(events);
  stack.use(central.statusEvents);
  stack.use(await listenControl(join(options.stateDirectory, CONTROL_SOCKET), controlCommands(central.controlContext)));
  await central.startTimers(stack);
  const running = stack.move();
  return {
    httpUrl: http.url,
    httpPort: http.port,
    peerPort: origin.node.port,
    refreshNow: () => central.refreshNow(),
    status: () => centralStatus(central.statusContext),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

async function lockServe(stateDirectory: string): Promise<AsyncDisposable> {
  const lock = await acquireLock(join(stateDirectory, "serve.lock"), { command: "serve" });
  if (!("heldBy" in lock)) return lock;
  const holder = lock.heldBy.pid === undefined ? "another process" : `process ${lock.heldBy.pid}`;
  throw new CentralError("serve-running", `${holder} serves this tree already`);
}

interface Parts {
  readonly options: ServeOptions;
  readonly ports: ServePorts;
  readonly registry: VolunteerRegistry;
  readonly live: VolunteerStateStore;
  readonly saved: SavedRegistry;
  readonly revoked: RevokedIds;
  readonly bandwidth: HostBandwidth;
  readonly origin: OriginNode;
  readonly auditAddresses: AuditAddresses;
}

/** How often it is looked whether marks of volunteers' requests must be written; they last for ten minutes. */
const MARKS_INTERVAL_MS = 60_000;

/** Volunteers' own requests, counted per volunteer and address (`AnnounceBudget`), and those that prove nothing without a ticket. */
const SELF_LIMITED = ["/.prsync/announce", "/.prsync/enrol"];

/** Of all connections: each volunteer keeps two or three. */
const VOLUNTEERS_CONNECTIONS = 1_000;

/** How often it is looked whose audit is due. */
const AUDIT_LOOK_MS = 1_000;

/** Ties the parts together; each part does its own work. */
class Central {
  readonly #parts: Parts;
  readonly #events: ReleaseEvents;
  readonly #counters = new CentralCounters();
  readonly #warnings: OperatorWarnings;
  #refreshing: Promise<unknown> = Promise.resolve();

  readonly #seen = new SeenCustomers(Math.random);
  readonly #traces: CustomerTraces = { sent: new SentSamples(Math.random), misses: new VolunteerMisses() };
  readonly #signatures: RedirectSignatures;
  readonly #audits: VolunteerAudits;
  readonly statusContext: StatusContext;
  readonly statusEvents: StatusEvents = new StatusEvents();

  constructor(parts: Parts, events: ReleaseEvents) {
    this.#parts = parts;
    this.#events = events;
    const { ports, registry, live, origin } = parts;
    const node = (): SwarmNode => origin.node;
    const { publicUrl, redirects, trustedProxies } = parts.options;
    const hasTrustedProxies = trustedProxies.length > 0;
    const isRedirecting = redirects !== undefined;
    this.#warnings = new OperatorWarnings({ live, log: ports.log, publicUrl, hasTrustedProxies, isRedirecting });
    const customerHeaders = (): Readonly<Record<string, string>> => this.#seen.headers();
    this.#signatures = new RedirectSignatures(ports.authority, ports.clock);
    const auditing = {
      tree: ports.tree,
      live,
      signatures: this.#signatures,
      clock: ports.clock,
      log: ports.log,
      random: Math.random,
      customerHeaders,
      traces: this.#traces,
      addresses: parts.auditAddresses,
      minBytes: parts.options.redirects?.minBytes ?? 0,
    };
    const { auditIntervalMs: intervalMs, announceIntervalMs } = parts.options;
    this.#audits = new VolunteerAudits(auditing, { intervalMs, announcedWithinMs: 2 * announceIntervalMs });
    this.statusContext = {
      tree: ports.tree,
      registry,
      live,
      events,
      audits: this.#audits,
      misses: this.#traces.misses,
      counters: this.#counters,
      clock: ports.clock,
      node,
      history: new StatusHistory({ tree: ports.tree, live, counters: this.#counters, clock: ports.clock, node }),
      startedWallMs: ports.clock.wallMs(),
      warnings: () => this.#warnings.all,
    };
  }

  get controlContext(): Parameters<typeof controlCommands>[0] {
    const refreshNow = (): Promise<number> => this.refreshNow();
    const { live } = this.#parts;
    return { ...this.statusContext, live, refreshNow, applyRevocations: () => this.#applyRevocations() };
  }

  async listen(): Promise<HttpServer> {
    const { options, ports } = this.#parts;
    const { listenHost: host, listenPort: port, trustedProxies, slowReaders, requestRate } = options;
    const onFailure = ({ target, error }: { readonly target: string; readonly error: unknown }): void => {
      ports.log.error({ target: displayPath(target), error: messageOf(error) }, "a request failed");
    };
    const context = this.#routeContext();
    const { front } = context;
    const addresses = new VolunteerAddresses(this.#parts.live, ports.clock);
    const isFor = (address: string): boolean => addresses.volunteersAt(address).perAddress > 0;
    const access = new StatusAccess(options.statusNetworks, {
      publicUrl: options.publicUrl,
      hasTrustedProxies: trustedProxies.length > 0,
    });
    const http = {
      ...DEFAULT_HTTP_SERVER_OPTIONS,
      ...{ host, port, trustedProxies, slowReaders, requestRate, onFailure },
      selfLimited: SELF_LIMITED,
      reservedConnections: { connections: VOLUNTEERS_CONNECTIONS, isFor },
      onTooMany: () => this.#counters.customersRefused++,
      ...(front === undefined ? {} : { front: front.answer.bind(front), plainFront: front }),
      ...(ports.onAnswered === undefined ? {} : { onAnswered: ports.onAnswered }),
    };
    return await listenHttp(http, (app, charge) => {
      registerFileRoutes(app, { ...context, charge });
      registerMetadataRoutes(app, { ...context, charge });
      registerAnnounceRoutes(app, context);
      registerEnrolmentRoute(app, context);
      this.#events.register(app, (address) => addresses.volunteersAt(address));
      registerStatusRoutes(app, this.statusContext, access);
      this.statusEvents.register(app);
    });
  }

  #routeContext(): Omit<Parameters<typeof registerFileRoutes>[1], "charge"> &
    Omit<Parameters<typeof registerMetadataRoutes>[1], "charge"> &
    Parameters<typeof registerAnnounceRoutes>[1] &
    Parameters<typeof registerEnrolmentRoute>[1] {
    const { options, ports, registry, live, origin, bandwidth } = this.#parts;
    const checks = new PortChecks(live, ports.log);
    const limits = { ...DEFAULT_STOCK_SWARM_LIMITS, intervalMs: options.stockIntervalMs };
    const random = Math.random;
    const admitted = new AdmittedVolunteers(registry);
    const volunteers = new CustomerVolunteers(admitted, live, { audits: this.#audits, clock: ports.clock, random });
    const known = { volunteers, counters: this.#counters, signatures: this.#signatures, traces: this.#traces };
    const choice = new CustomerChoice({ ...known, clock: ports.clock, random }, options.redirects);
    const publicPath = options.publicUrl === undefined ? "" : new URL(options.publicUrl).pathname.replace(/\/$/, "");
    return {
      ...ports,
      registry,
      admitted,
      live,
      random,
      choice,
      seen: this.#seen,
      gone: new GoneContents(ports.clock),
      front: this.#front(choice),
      siteTable: options.siteTable,
      areSitesFair: options.areSitesFair,
      counters: this.#counters,
      publicUrl: options.publicUrl,
      isBehindProxy: options.trustedProxies.length > 0,
      publicPathPrefix: publicPath,
      announceIntervalMs: options.announceIntervalMs,
      stockIntervalMs: options.stockIntervalMs,
      stockSwarms: options.allowStockClients ? new StockSwarms(ports.clock, limits) : undefined,
      assignments: new VolatileAssignments(ports.tree),
      tagKey: randomBytes(32),
      origin: () => ({ id: origin.id, port: origin.node.port }),
      noteBorder: (homes) => origin.node.setPeers([], viewOfOrigin(homes)),
      checkPort: (address) => checks.start(address),
      refreshNow: () => this.refreshNow(),
      pace: paceOf(bandwidth.customers, ports.clock),
    };
  }

  #front(choice: CustomerChoice): RedirectFront | undefined {
    const { options, ports } = this.#parts;
    const { siteTable, redirects, trustedProxies } = options;
    if (redirects === undefined || trustedProxies.length > 0) return undefined;
    const files = new ReleasedFiles(ports);
    const protocol = protocolOf(options.publicUrl);
    return new RedirectFront({
      files,
      choice,
      seen: this.#seen,
      counters: this.#counters,
      siteTable,
      clock: ports.clock,
      protocol,
    });
  }

  /** Runs one after the other, so that an event goes out once per release. */
  refreshNow(): Promise<number> {
    const refreshed = this.#refreshing.then(() => this.#refresh());
    this.#refreshing = refreshed.catch(() => undefined);
    return refreshed;
  }

  async #refresh(): Promise<number> {
    const { tree, log } = this.#parts.ports;
    if (await tree.refresh()) {
      log.info({ release: tree.release?.number }, "a new release is served");
      await this.#events.announce();
    }
    if (this.#parts.revoked.refresh()) this.#applyRevocations();
    await this.#parts.origin.closeIdleContents();
    return tree.release?.number ?? 0;
  }

  #applyRevocations(): void {
    this.#parts.revoked.refresh();
    // Looks at every connection again; the origin itself calls nobody.
    this.#parts.origin.node.setPeers([]);
  }

  /** Signs metadata anew where due. A failure is told and tried again: central must go on serving. */
  async renew(): Promise<void> {
    const { authority, log } = this.#parts.ports;
    try {
      const { renewed, warnings } = await authority.renewIfDue();
      if (renewed.length > 0) log.info({ roles: renewed.join(" ") }, "metadata was signed anew");
      this.#warnings.noteMetadata(warnings);
    } catch (error) {
      this.#warnings.noteMetadata([`metadata could not be signed anew: ${messageOf(error)}`]);
    }
  }

  async startTimers(stack: AsyncDisposableStack): Promise<void> {
    const { options, ports, saved } = this.#parts;
    const every = (intervalMs: number, what: string, run: () => Promise<unknown>): void => {
      const onError = (error: unknown): void => ports.log.error({ error: messageOf(error) }, `${what} failed`);
      const task = { intervalMs, onError, run: async () => void (await run()) };
      stack.use(startPeriodic(ports.clock, task));
    };
    every(options.refreshIntervalMs, "looking for a new release", () => this.refreshNow());
    every(options.registrySaveIntervalMs, "saving the registry", () => saved.save());
    every(MARKS_INTERVAL_MS, "saving sequence numbers", async () => this.#parts.registry.saveAheadIfDue());
    every(STATUS_INTERVAL_MS, "looking at the status", async () => this.#observe());
    every(options.renewalIntervalMs, "renewing metadata", () => this.renew());
    if (options.redirects !== undefined && options.auditIntervalMs > 0) {
      every(AUDIT_LOOK_MS, "auditing volunteers", async () => this.#audits.start());
    }
    // Ends requests under way before what waits for them.
    stack.use(this.#audits);
    if (options.watch !== undefined) stack.use(await this.#watch(options.watch));
  }

  #observe(): void {
    this.#warnings.look();
    this.statusContext.history.observe();
    this.statusEvents.tell(() => renderStatus(this.statusContext));
  }

  async #watch(watch: NonNullable<ServeOptions["watch"]>): Promise<AsyncDisposable> {
    const { options, ports } = this.#parts;
    let publishing: Promise<void> = Promise.resolve();
    let isOneWaiting = false;
    const publish = async (): Promise<void> => {
      isOneWaiting = false;
      try {
        await ports.publish?.();
        await this.refreshNow();
      } catch (error) {
        ports.log.error({ error: messageOf(error) }, "publishing after a change failed");
      }
    };
    const watching = {
      clock: ports.clock,
      // One that waits sees everything that changed before it starts: a second one would find nothing.
      onQuiet: () => {
        if (isOneWaiting) return;
        isOneWaiting = true;
        publishing = publishing.then(publish);
      },
      onError: (error: Error) => ports.log.warn({ error: error.message }, "changes of the tree may have been missed"),
    };
    return await watchTree(options.treePath, watching, watch);
  }
}
