import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { seededRandom, type Clock } from "../../../src/core/clock.ts";
import { DEFAULT_WINDOW_PATHS } from "../../../src/edge/inventory-windows.ts";
import { openMirror, type Mirror } from "../../../src/edge/mirror.ts";
import { runSync, type SyncOutcome } from "../../../src/edge/sync-job.ts";
import type { SyncOptions } from "../../../src/edge/sync-options.ts";
import { SILENT_PROGRESS } from "../../../src/edge/sync-progress.ts";
import type { SelectionSettings } from "../../../src/filter/selection.ts";
import { DEFAULT_SWARM_LIMITS } from "../../../src/net/swarm-options.ts";
import { UNLIMITED_BANDWIDTH } from "../../../src/swarm/host-bandwidth.ts";
import { realClock } from "../../../src/net/real-clock.ts";
import type { Ticket } from "../../../src/trust/ticket.ts";
import type { CentralFixture } from "../../support/central-fixture.ts";
import { RecordingLog } from "./mirror-disk.ts";

export const SYNC_OPTIONS: SyncOptions = {
  plan: { checksum: false, sizeOnly: false, useDelta: true, removal: "ours", sharesInodes: false },
  findsBy: "blocks",
  savesTraffic: false,
  rescanMs: 86_400_000,
  maxDelete: undefined,
  removeAfterMs: undefined,
  last: [],
  windowPaths: DEFAULT_WINDOW_PATHS,
  keepsChanges: true,
};

/** Time that runs faster: a second of it passes in a fiftieth. */
export const FAST_CLOCK: Clock = {
  monotonicMs: () => realClock.monotonicMs() * 50,
  wallMs: () => realClock.wallMs(),
  schedule: (delayMs, action) => realClock.schedule(delayMs / 50, action),
};

/** A mirror of a served fixture, in directories that go away with the test; may be closed and opened again. */
export class MirrorFixture {
  readonly central: CentralFixture;
  readonly directory: string = realpathSync(mkdtempSync(join(tmpdir(), "prsync-mirror-")));
  readonly log: RecordingLog = new RecordingLog();
  readonly #ticket: Ticket;

  /** @param url of central, if something stands between */
  constructor(central: CentralFixture, name = "mirror", url: string = central.program.httpUrl) {
    this.central = central;
    const { repositoryId: repository, rootFingerprint: root } = central.repository;
    this.#ticket = { url, repository, root, name, token: central.invite(name) };
    onTestFinished(() => rmSync(this.directory, { recursive: true, force: true }));
  }

  get destination(): string {
    return join(this.directory, "dest");
  }

  at(path: string): string {
    return join(this.destination, path);
  }

  async open(
    run: { readonly signal?: AbortSignal; readonly clock?: Clock; readonly selection?: SelectionSettings } = {},
  ): Promise<Mirror> {
    const { signal = new AbortController().signal, clock = realClock, selection } = run;
    const mirror = await openMirror(
      {
        destinationPath: this.destination,
        stateDirectory: join(this.directory, "state"),
        ticket: this.#ticket,
        peerHost: "127.0.0.1",
        peerPort: 0,
        patience: { noSourceMs: 2_000, noProgressMs: 10_000 },
        swarmLimits: DEFAULT_SWARM_LIMITS,
        bandwidth: UNLIMITED_BANDWIDTH,
        command: "test",
        selection,
      },
      { clock, random: seededRandom(1), log: this.log, signal },
    );
    onTestFinished(async () => mirror[Symbol.asyncDispose]());
    return mirror;
  }
}

export interface SyncChange extends Partial<Omit<SyncOptions, "plan">> {
  readonly plan?: Partial<SyncOptions["plan"]>;
}

export async function sync(mirror: Mirror, change: SyncChange = {}): Promise<SyncOutcome> {
  const plan = { ...SYNC_OPTIONS.plan, ...change.plan };
  return await runSync(mirror, { ...SYNC_OPTIONS, ...change, plan }, SILENT_PROGRESS);
}
