import { join } from "node:path";
import type { Clock, Random } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import { RESERVED_TOP_LEVEL_NAME } from "../core/repo-path.ts";
import type { SelectionSettings } from "../filter/selection.ts";
import type { AttributeRules } from "../plan/held-attributes.ts";
import { HttpClient } from "../net/http-client.ts";
import { PassAdmission } from "../net/pass-admission.ts";
import type { SwarmNode } from "../net/swarm-node.ts";
import type { SwarmLimits, SwarmNodeOptions } from "../net/swarm-options.ts";
import { ConfinedDirectory } from "../store/confined-directory.ts";
import { StoreError } from "../store/errors.ts";
import { readOrCreateKeyFile } from "../store/key-file.ts";
import { acquireLock } from "../store/lock.ts";
import { MetadataStore } from "../store/metadata-store.ts";
import { MirrorIndex } from "../store/mirror-index.ts";
import { isIndexDamaged } from "../store/mirror-index-schema.ts";
import { makeOwnDirectory } from "../store/own-directory.ts";
import type { StagingArea } from "../store/staging.ts";
import { type StagingChoice, StagingPlaces } from "../store/staging-places.ts";
import { ensurePrivateDirectory } from "../store/state-directory.ts";
import { TrialTraces } from "../store/trial-traces.ts";
import { type BandwidthLimits, HostBandwidth } from "../swarm/host-bandwidth.ts";
import type { SwarmBundle } from "../swarm/ports.ts";
import type { SourcePatience } from "../swarm/running-download.ts";
import { parsePublicKey, type SigningKey } from "../trust/signing-key.ts";
import type { Ticket } from "../trust/ticket.ts";
import { ArrivedContents } from "./arrived-contents.ts";
import { AnnounceClient } from "./announce-client.ts";
import { Announcer } from "./announcer.ts";
import { BundleCatalog } from "./bundle-catalog.ts";
import { CentralClient } from "./central-client.ts";
import { HeldContents } from "./held-contents.ts";
import { type Arrivals, HoldingsReporter } from "./holdings-report.ts";
import { UnpackingReader } from "./look-inside-serve.ts";
import type { ObjectSource } from "./manifest-update.ts";
import { MetadataObjects } from "./metadata-objects.ts";
import { makeDestination } from "./make-destination.ts";
import { listenForPeers } from "./peer-port.ts";
import { describeHolder } from "./destination-queue.ts";
import { dropLeftLinks } from "./left-links.ts";
import { identifyMirror, requireEnrolable, saveIdentity, type MirrorIdentity } from "./mirror-identity.ts";
import { type MirrorSituation, servesByName } from "./mirror-situation.ts";
import { SearchPool } from "./search-pool.ts";
import { ReleaseMetadata } from "./release-metadata.ts";
import { SignatureSource } from "./signature-source.ts";
import { SketchSource } from "./sketch-source.ts";
import type { SyncLog } from "./sync-log.ts";
import { rememberAttributes } from "./remembered-attributes.ts";
import { RememberedSelection } from "./remembered-selection.ts";
import { TrustedReleaseClient } from "./trusted-release.ts";
import { isWholeReleaseVerified } from "./verified-release.ts";

export interface MirrorOptions {
  /** DEST; made if it is not there. */
  readonly destinationPath: string;
  readonly stateDirectory: string;
  readonly ticket: Ticket | undefined;
  readonly peerHost: string;
  /** 0 picks one. */
  readonly peerPort: number;
  /** If another program has that port, any free one does. */
  readonly takesAnyPort?: boolean;
  readonly patience: SourcePatience;
  readonly swarmLimits: SwarmLimits;
  /** Of HTTP and swarm together. */
  readonly bandwidth: BandwidthLimits;
  /** For people who find the lock taken. */
  readonly command: string;
  /** What to hold of a release; undefined: what was asked for the last time, else everything. */
  readonly selection?: SelectionSettings | undefined;
  /** Which attributes of a release to take over, and how; undefined: as the last run did. */
  readonly attributes?: AttributeRules | undefined;
  /** Blocks of zeros become holes (rsync --sparse). */
  readonly isSparse?: boolean;
  /** Undefined: in DEST/.prsync. */
  readonly stagedIn?: StagingChoice;
  /** A dry run: options are not remembered, and what openMirror makes in DEST goes when the mirror is closed. */
  readonly isTrial?: boolean;
}

export interface MirrorPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: SyncLog;
  readonly signal: AbortSignal;
}

/** A mirror at work: everything that a sync and a daemon share, opened once and closed together. */
export interface Mirror extends AsyncDisposable {
  readonly ports: MirrorPorts;
  readonly identity: MirrorIdentity;
  readonly situation: MirrorSituation;
  readonly destination: ConfinedDirectory;
  readonly index: MirrorIndex;
  readonly staging: StagingArea;
  /** Of inner contents, as long as a sync needs them. */
  readonly innerStaging: StagingArea;
  readonly places: Pick<StagingPlaces, "assertInPlace" | "unreached">;
  readonly http: HttpClient;
  readonly central: CentralClient;
  readonly trusted: TrustedReleaseClient;
  readonly held: HeldContents;
  /** Of the sync under way. */
  readonly arrived: ArrivedContents;
  readonly search: SearchPool;
  readonly metadata: ReleaseMetadata;
  readonly objects: ObjectSource;
  readonly signatures: SignatureSource;
  readonly sketches: SketchSource;
  readonly catalog: BundleCatalog;
  readonly holdings: HoldingsReporter;
  readonly swarm: SwarmNode;
  readonly announcer: Announcer;
  /** One budget for HTTP and swarm. */
  readonly bandwidth: HostBandwidth;
  readonly selected: RememberedSelection;
  readonly attributes: AttributeRules;
  /** DEST was made by this run. */
  readonly isNewDestination: boolean;
  /** Admits peers by the last accepted release, before central was reached. */
  recallTrust(): Promise<void>;
}

/**
 * Takes the lock of DEST, enrols with the ticket if this mirror has no identity yet, and joins the swarm.
 * @throws StoreError `state-busy`, `root-unusable`, `state-unsafe`; SyncError `not-enrolled`, `other-repository`, …
 */
export async function openMirror(options: MirrorOptions, ports: MirrorPorts): Promise<Mirror> {
  try {
    return await openParts(options, ports, false);
  } catch (error) {
    // Found only when it was used: reading all of a large index at every start would take longer than a sync.
    if (!isIndexDamaged(error)) throw error;
    return await openParts(options, ports, true);
  }
}

async function openParts(options: MirrorOptions, ports: MirrorPorts, rebuildsIndex: boolean): Promise<Mirror> {
  // Before DEST is made: a typing error in its name must leave nothing behind.
  await requireEnrolable(options.stateDirectory, options.ticket);
  await using resources = new AsyncDisposableStack();
  const disk = await openDisk(options, resources, rebuildsIndex);
  warnAboutDamage(disk.index, ports.log);
  for (const reason of disk.places.unreached)
    ports.log.warn({ reason }, "what an earlier run staged elsewhere stays there");
  const selected = await RememberedSelection.open(options.stateDirectory, options.selection);
  const holdsNothing = disk.index.facts.get("heldRelease") === undefined;
  if (selected.isNew && !holdsNothing) ports.log.warn({}, "the selection of paths differs from the last run's");
  if (holdsNothing && options.isTrial !== true) await selected.rememberFirst();
  const attributes = rememberAttributes(disk.index, options.attributes, options.isTrial === true);
  const http = resources.use(new HttpClient());
  const key = await readOrCreateKeyFile(join(options.stateDirectory, "volunteer.key"));
  const identity = await identifyMirror(options.stateDirectory, options.ticket, { key, http, signal: ports.signal });
  const situation = initialSituation(identity, disk.index, selected);
  const central = new CentralClient(http, identity.centralUrl);
  const { repository, rootFingerprint, centralUrl: baseUrl } = identity;
  const { stateDirectory } = options;
  const trusted = new TrustedReleaseClient({
    stateDirectory,
    repository,
    rootFingerprint,
    baseUrl,
    clock: ports.clock,
    fetcher: http,
  });
  const arrived = new ArrivedContents();
  const toldArrivals: Arrivals = {
    // Under a name DEST has nothing of it yet, or old bytes.
    get isUnderWay() {
      return situation.isAskedByContent && arrived.isUnderWay;
    },
    ordinals: () => arrived.ordinals(),
  };
  const holdings = new HoldingsReporter(disk.index, {
    arrived: toldArrivals,
    isByName: () => servesByName(situation),
  });
  // The records may be older than the files, but each read compares: what is not there any more is withdrawn then.
  holdings.isComplete =
    holdings.heldRelease > 0 && (await isWholeReleaseVerified(disk.index, selected.selection, ports.signal));
  const onChanged = (): void => {
    holdings.isComplete = false;
    situation.onChanged();
  };
  const held = resources.use(new HeldContents({ ...disk, log: ports.log, clock: ports.clock, onChanged, arrived }));
  const search = resources.use(new SearchPool());
  const metadata: ReleaseMetadata = resources.use(
    new ReleaseMetadata({
      store: disk.metadataStore,
      central,
      swarm: () => swarm,
      meetPeers: () => announcer.meetPeers(),
      log: ports.log,
    }),
  );
  const objects = new MetadataObjects(metadata, central, ports.log);
  const files = resources.use(new UnpackingReader({ ...disk, held, log: ports.log }));
  const catalog = new BundleCatalog({ index: disk.index, files, objects, signal: ports.signal });
  const signatures = new SignatureSource({ metadata, central, catalog, log: ports.log });
  const sketches = new SketchSource({ metadata, central, catalog, log: ports.log });
  const findBundle = async (infoHash: string): Promise<SwarmBundle | undefined> =>
    (await catalog.bundle(infoHash)) ?? (await metadata.bundle(infoHash));
  const bandwidth = new HostBandwidth(options.bandwidth, ports.clock.monotonicMs());
  const swarm: SwarmNode = resources.use(
    await joinSwarm(options, ports, { identity, key, situation, findBundle, bandwidth }),
  );
  const announcer: Announcer = resources.use(
    createAnnouncer(options, ports, { identity, key, situation, http, swarm, holdings }),
  );
  const parts = {
    ...disk,
    ports,
    identity,
    situation,
    http,
    central,
    trusted,
    held,
    arrived,
    search,
    metadata,
    objects,
    signatures,
    sketches,
    catalog,
    holdings,
    swarm,
    announcer,
    bandwidth,
    selected,
    attributes,
  };
  const owned = resources.move();
  const recallTrust = async (): Promise<void> => {
    const accepted = await trusted.lastAccepted();
    if (accepted === undefined) return;
    situation.passKey = parsePublicKey(accepted.release.passKey);
    await metadata.follow(accepted.release);
  };
  return { ...parts, recallTrust, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

interface Disk {
  readonly isNewDestination: boolean;
  readonly destination: ConfinedDirectory;
  readonly index: MirrorIndex;
  readonly staging: StagingArea;
  /** Of inner contents, as long as a sync needs them. */
  readonly innerStaging: StagingArea;
  readonly places: Pick<StagingPlaces, "assertInPlace" | "unreached">;
  readonly metadataStore: MetadataStore;
}

async function openDisk(
  options: MirrorOptions,
  resources: AsyncDisposableStack,
  rebuildsIndex: boolean,
): Promise<Disk> {
  ensurePrivateDirectory(options.stateDirectory);
  const traces = options.isTrial === true ? new TrialTraces(options.destinationPath) : undefined;
  const isNewDestination = makeDestination(options.destinationPath);
  const destination = resources.use(ConfinedDirectory.open(options.destinationPath));
  makeOwnDirectory(destination);
  const own = join(destination.rootPath, RESERVED_TOP_LEVEL_NAME);
  const lock = await acquireLock(join(own, "lock.sqlite"), { command: options.command });
  if ("heldBy" in lock) {
    const holder = describeHolder(lock.heldBy);
    throw new StoreError("state-busy", `directory "${options.destinationPath}" is in use by ${holder}`);
  }
  resources.use(lock);
  if (traces !== undefined) resources.use(traces);
  // Only now: opening it clears away what an earlier run left, which must not be what another one is at.
  const { stagedIn: choice, isSparse } = options;
  const places = resources.use(await StagingPlaces.open(destination, { choice, isSparse }));
  const { staging, inner: innerStaging } = places;
  const index = resources.use(MirrorIndex.open(join(own, "index.sqlite"), { rebuild: rebuildsIndex }));
  for (const area of [...places.left, staging]) dropLeftLinks({ destination, index, staging: area });
  await places.takeOver();
  return {
    isNewDestination,
    destination,
    index,
    staging,
    innerStaging,
    places,
    metadataStore: MetadataStore.open(own),
  };
}

function warnAboutDamage(index: MirrorIndex, log: SyncLog): void {
  if (index.damagedPredecessor === undefined) return;
  log.warn(
    { movedTo: index.damagedPredecessor },
    "the index was damaged and is built anew: files are hashed again, nothing is lost",
  );
}

function initialSituation(
  identity: MirrorIdentity,
  index: MirrorIndex,
  { selection: { settings } }: RememberedSelection,
): MirrorSituation {
  return {
    load: { isSyncing: false, bytesLeft: 0, customers: 0, customerBytesLeft: 0 },
    customerBytes: 0,
    obtained: { reused: 0, delta: 0, fromPeers: 0, fromOrigin: 0 },
    customerUrl: undefined,
    isAskedByContent: false,
    centralCustomerUrl: undefined,
    customersFrom: "any",
    isOnlyRedirected: false,
    expectedMs: undefined,
    volatileQuotaBytes: settings.role === "volatile" ? settings.quotaBytes : undefined,
    assignment: undefined,
    pass: identity.pass,
    passKey: new Uint8Array(32),
    trustEndsMs: undefined,
    revoked: new Set(),
    isOpen: false,
    announcedRelease: index.facts.get("heldRelease") ?? 0,
    onNews: () => undefined,
    onChanged: () => undefined,
  };
}

interface Membership {
  readonly identity: MirrorIdentity;
  readonly key: SigningKey;
  readonly situation: MirrorSituation;
}

interface SwarmParts extends Pick<SwarmNodeOptions, "findBundle"> {
  readonly bandwidth: HostBandwidth;
}

async function joinSwarm(
  options: MirrorOptions,
  ports: MirrorPorts,
  { identity, key, situation, findBundle, bandwidth }: Membership & SwarmParts,
): Promise<SwarmNode> {
  const isRevoked = (id: string): boolean => situation.revoked.has(id);
  const admission = new PassAdmission({
    key,
    repository: identity.repository,
    clock: ports.clock,
    pass: () => situation.pass,
    passKey: () => situation.passKey,
    isRevoked,
  });
  return await listenForPeers(options, {
    ownId: identity.volunteer,
    admission,
    isOrigin: false,
    allowsStockClients: () => situation.isOpen,
    host: options.peerHost,
    port: options.peerPort,
    clock: ports.clock,
    random: ports.random,
    log: ports.log,
    limits: options.swarmLimits,
    bandwidth,
    patience: options.patience,
    findBundle,
    isRevoked,
  });
}

function createAnnouncer(
  options: MirrorOptions,
  ports: MirrorPorts,
  parts: Membership & { readonly http: HttpClient; readonly swarm: SwarmNode; readonly holdings: HoldingsReporter },
): Announcer {
  const { identity, situation, http, key } = parts;
  return new Announcer({
    client: new AnnounceClient({ http, key, centralUrl: identity.centralUrl, clock: ports.clock }),
    swarm: parts.swarm,
    holdings: parts.holdings,
    clock: ports.clock,
    random: ports.random,
    log: ports.log,
    identity,
    situation,
    uploadCapacityBytesPerSecond: options.bandwidth.uploadBytesPerSecond,
    onPass: (pass) => {
      if (pass === situation.pass) return;
      situation.pass = pass;
      saveIdentity(options.stateDirectory, { ...identity, pass }).catch((error: unknown) => {
        ports.log.warn({ reason: messageOf(error) }, "renewed pass not saved");
      });
    },
  });
}
