import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import type { CentralProgram } from "../../src/central/serve.ts";
import { serveTree } from "../../src/central/serve.ts";
import { DEFAULT_SERVE_OPTIONS, type ServeOptions, type ServePorts } from "../../src/central/serve-options.ts";
import { realClock } from "../../src/net/real-clock.ts";
import { DEFAULT_PUBLISH_OPTIONS } from "../../src/publisher/publish-options.ts";
import { publishTree } from "../../src/publisher/publish-tree.ts";
import { TufRepository } from "../../src/publisher/tuf-repository.ts";
import { PublishedTreeReader } from "../../src/store/published-tree.ts";
import { VolunteerRegistry } from "../../src/store/volunteer-registry.ts";
import { createEnrolmentRequest } from "../../src/trust/enrolment.ts";
import { signRequest } from "../../src/trust/request-signature.ts";
import { SigningKey, volunteerIdOf } from "../../src/trust/signing-key.ts";

const SILENT_PROGRESS = { onPhase: () => undefined, onScan: () => undefined, onHash: () => undefined };

/** A real tree, really published and served on loopback, in a directory that goes away with the test. */
export class CentralFixture {
  readonly directory: string;
  readonly logged: string[] = [];
  /** What was served last. */
  program!: CentralProgram;
  repository!: TufRepository;
  tree!: PublishedTreeReader;

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), "prsync-central-"));
    onTestFinished(() => rmSync(this.directory, { recursive: true, force: true }));
    mkdirSync(this.treePath);
  }

  get treePath(): string {
    return join(this.directory, "tree");
  }

  get stateDirectory(): string {
    return join(this.directory, "state");
  }

  /** Writes a file with a fixed mtime. `path` has one unit per byte. */
  write(path: string, bytes: string | Uint8Array, mtimeSeconds = 784_111_777): void {
    const full = Buffer.from(join(this.treePath, path), "latin1");
    mkdirSync(Buffer.from(dirname(join(this.treePath, path)), "latin1"), { recursive: true });
    writeFileSync(full, bytes);
    utimesSync(full, mtimeSeconds, mtimeSeconds);
  }

  symlink(path: string, target: string): void {
    symlinkSync(target, join(this.treePath, path));
  }

  async publish(): Promise<void> {
    const { treePath, stateDirectory } = this;
    const workDirectory = join(this.directory, "work");
    await publishTree(
      { ...DEFAULT_PUBLISH_OPTIONS, treePath, stateDirectory, workDirectory, clock: realClock },
      SILENT_PROGRESS,
    );
  }

  async serve(change: Partial<ServeOptions> = {}, ports: Partial<ServePorts> = {}): Promise<CentralProgram> {
    const { treePath, stateDirectory } = this;
    this.repository = await TufRepository.openOrCreate(stateDirectory, realClock);
    const workDirectory = join(this.directory, "work");
    const tree = await PublishedTreeReader.open({ treePath, stateDirectory, workDirectory });
    this.tree = tree;
    const options = { ...DEFAULT_SERVE_OPTIONS, listenHost: "127.0.0.1", listenPort: 0, peerPort: 0, ...change };
    const log = (_fields: unknown, message: string): void => void this.logged.push(message);
    const program = await serveTree(
      { treePath, stateDirectory, ...options },
      {
        tree,
        authority: this.repository,
        clock: realClock,
        log: { debug: log, info: log, warn: log, error: log },
        ...ports,
      },
    );
    onTestFinished(async () => {
      await program[Symbol.asyncDispose]();
      tree[Symbol.dispose]();
    });
    this.program = program;
    return program;
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`${this.program.httpUrl}${path}`, { headers, redirect: "manual" });
  }

  invite(name: string, options: { readonly again?: boolean; readonly site?: string } = {}): Uint8Array {
    using registry = VolunteerRegistry.open(this.stateDirectory, Date.now);
    return registry.invite(name, options).token;
  }

  enrol(token: Uint8Array, name: string, key: SigningKey, change: object = {}): Promise<Response> {
    const identity = { repository: this.repository.repositoryId, name, publicKey: key.publicKeyText };
    const body = { ...createEnrolmentRequest(token, identity), ...change };
    return fetch(`${this.program.httpUrl}/.prsync/enrol`, { method: "POST", body: JSON.stringify(body) });
  }

  /** Invited, enrolled, ready to announce. */
  async volunteer(name: string, site?: string): Promise<TestVolunteer> {
    const volunteer = new TestVolunteer(this, testKey(name));
    const token = this.invite(name, site === undefined ? {} : { site });
    const response = await this.enrol(token, name, volunteer.key);
    if (response.status !== 200) throw new Error(`enrolment of ${name}: ${await response.text()}`);
    return volunteer;
  }
}

/** What central's JSON answers may hold; a field that is not there fails the test that reads it. */
export interface AnswerJson {
  readonly error: { readonly code: string };
  readonly sequence: number;
  readonly interval: number;
  readonly peers: readonly {
    readonly id: string;
    readonly host: string;
    readonly port: number;
    readonly tag: string;
  }[];
  readonly kept: string;
  readonly terms: string;
  readonly origin: { readonly id: string; readonly port: number };
  readonly pass: string;
  readonly revoked: readonly string[];
  readonly holdingsId: number;
  readonly fullHoldingsWanted: boolean;
  readonly volunteer: string;
}

export async function jsonOf(response: Response): Promise<AnswerJson> {
  return (await response.json()) as AnswerJson;
}

export interface AnnounceChange {
  readonly body?: object;
  readonly query?: string;
  readonly sequence?: number;
  readonly port?: number;
  readonly signer?: SigningKey;
  /** Sent in place of what was signed. */
  readonly sentBody?: string;
}

/** Announces with real signatures. */
export class TestVolunteer {
  readonly key: SigningKey;
  readonly id: string;
  sequence = 1_000_000;
  readonly #fixture: CentralFixture;

  constructor(fixture: CentralFixture, key: SigningKey) {
    this.#fixture = fixture;
    this.key = key;
    this.id = volunteerIdOf(key.publicKey);
  }

  async announce(change: AnnounceChange = {}): Promise<{ readonly status: number; readonly json: AnswerJson }> {
    const { program, repository } = this.#fixture;
    const peerId = this.id.replace(/../g, "%$&");
    const target = `/.prsync/announce?peer_id=${peerId}&port=${change.port ?? 7382}&uploaded=0&downloaded=0&left=0${change.query ?? ""}`;
    const body = JSON.stringify({
      repository: repository.repositoryId,
      release: 1,
      syncing: false,
      bytesLeft: 0,
      customers: 0,
      uploadBytesPerSecond: 0,
      uploadCapacityBytesPerSecond: 0,
      holdings: { base: 0, complete: 1 },
      ...change.body,
    });
    const sequence = change.sequence ?? ++this.sequence;
    const signed = { method: "POST", target, sequence, body: Buffer.from(body) };
    const response = await fetch(program.httpUrl + target, {
      method: "POST",
      body: change.sentBody ?? body,
      headers: {
        "Prsync-Volunteer": this.id,
        "Prsync-Sequence": String(sequence),
        "Prsync-Signature": signRequest(change.signer ?? this.key, signed),
      },
    });
    return { status: response.status, json: (await response.json()) as AnswerJson };
  }
}

/** The same name gives the same key. */
export function testKey(name: string): SigningKey {
  return SigningKey.fromSeed(Buffer.alloc(32, name));
}
