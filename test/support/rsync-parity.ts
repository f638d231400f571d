import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { TufRepository } from "../../src/publisher/tuf-repository.ts";
import { realClock } from "../../src/net/real-clock.ts";
import { resolveStateDirectory } from "../../src/store/state-directory.ts";
import { VolunteerRegistry } from "../../src/store/volunteer-registry.ts";
import { encodeTicket } from "../../src/trust/ticket.ts";
import { LoopbackCentral } from "./loopback-central.ts";
import { type Change, settleDirectories } from "./parity-trees.ts";
import { runPrsync } from "./program.ts";

/** What `sync` and `daemon` mean without options. */
export const PLAIN_FLAGS = "-rlptH";

/** One run of each program from the same tree into equal directories. */
export interface ParityCase {
  readonly name: string;
  /** What stands in DEST before; left out: there is no DEST. */
  readonly before?: Change;
  /** Options of both. */
  readonly words?: readonly string[];
  /** Options of one. */
  readonly ours?: readonly string[];
  readonly theirs?: readonly string[];
}

/** What a run did, in the words that both programs have. */
export interface ParityOutcome {
  readonly code: number | string;
  /** Itemised changes, sorted: rsync goes by directory, PRsync by kind of step. */
  readonly changes: readonly string[];
}

const CHANGE_LINE = /^(?:\*deleting|[<>ch.][fdLDS][+cst. ])/;

/** A real central and, per case, a mirror of ours and one of rsync's. */
export class ParityBench implements AsyncDisposable {
  readonly central: LoopbackCentral;
  readonly #mirrors = new Set<string>();
  #isServing = false;

  constructor(purpose: string) {
    this.central = new LoopbackCentral(purpose);
  }

  /** Changes TREE and publishes it. */
  async release(change: Change, keeps: "keeps" | "anew" = "anew"): Promise<void> {
    const { tree } = this.central;
    if (keeps === "anew") rmSync(tree, { recursive: true, force: true });
    mkdirSync(tree, { recursive: true });
    change(tree);
    if (keeps === "anew") settleDirectories(tree);
    await this.central.publish();
    if (!this.#isServing) await this.central.serve();
    this.#isServing = true;
  }

  /** Runs both. Of DEST itself both find the same. */
  async run(
    name: string,
    { before, words = [], ours = [], theirs = [] }: Omit<ParityCase, "name">,
  ): Promise<{
    readonly ours: ParityOutcome;
    readonly theirs: ParityOutcome;
    /** Standard output. */
    readonly told: { readonly ours: string; readonly theirs: string };
  }> {
    const [mine, other] = [this.central.mirror(name), this.central.mirror(`${name}-rsync`)];
    if (before !== undefined) {
      mkdirSync(other);
      before(other);
      execFileSync("cp", ["-a", other, mine]);
    }
    const rsync = await runRsync([PLAIN_FLAGS, "-i", ...words, ...theirs, `${this.central.tree}/`, `${other}/`]);
    const prsync = await this.sync(name, ["-i", ...words, ...ours]);
    const told = { ours: prsync.stdout, theirs: rsync.stdout };
    return { ours: outcomeOf(prsync), theirs: outcomeOf(rsync), told };
  }

  /** `prsync sync` of a mirror, which is invited the first time. */
  async sync(name: string, words: readonly string[]): ReturnType<typeof runPrsync> {
    const ticket = this.#mirrors.has(name) ? [] : [await this.#invite(name)];
    this.#mirrors.add(name);
    const command = ["sync", ...ticket, this.central.mirror(name), "--peer-port", "0", ...words];
    return await runPrsync(command, { env: this.central.env });
  }

  /** What rsync as referee would change in ours to make it theirs: "" if nothing. */
  async differences(name: string): Promise<string> {
    const [mine, other] = [this.central.mirror(name), this.central.mirror(`${name}-rsync`)];
    return (await runRsync(["-anicH", "--delete", "--exclude=/.prsync", `${other}/`, `${mine}/`])).stdout;
  }

  /** As `prsync invite` does, without a program of its own for each of many mirrors. */
  async #invite(name: string): Promise<string> {
    const stateDirectory = resolveStateDirectory({
      targetPath: this.central.tree,
      explicit: undefined,
      stateHome: this.central.env["PRSYNC_STATE_HOME"],
      isRoot: false,
      xdgStateHome: undefined,
      homeDirectory: "/",
    });
    const repository = await TufRepository.openOrCreate(stateDirectory, realClock);
    using registry = VolunteerRegistry.open(stateDirectory, Date.now);
    const { token } = registry.invite(name);
    const { repositoryId, rootFingerprint } = repository;
    return encodeTicket({ url: this.central.url, repository: repositoryId, root: rootFingerprint, name, token });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.central[Symbol.asyncDispose]();
  }
}

interface Ended {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

function runRsync(words: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile("rsync", words, { encoding: "utf8" }, (error, stdout, stderr) => {
      resolve({ code: error?.code ?? (error === null ? 0 : "killed"), stdout, stderr });
    });
  });
}

function outcomeOf({ code, stdout }: Ended): ParityOutcome {
  const changes = stdout.split("\n").filter((line) => CHANGE_LINE.test(line));
  return { code, changes: withSmallestNameFirst(changes).toSorted() };
}

const LINK_LINE = /^(hf.{9}) (.*) => (.*)$/;

/**
 * Which name of a hard-link group is transferred and which ones are linked to it, rsync(1) leaves open: here it is the smallest.
 */
function withSmallestNameFirst(lines: readonly string[]): readonly string[] {
  const groups = Map.groupBy(
    lines.flatMap((line) => {
      const match = LINK_LINE.exec(line);
      return match === null ? [] : [{ name: match[2]!, first: match[3]! }];
    }),
    ({ first }) => first,
  );
  const renamed = new Map<string, string>();
  for (const [first, members] of groups) {
    const smallest = [first, ...members.map(({ name }) => name)].toSorted()[0]!;
    renamed.set(first, smallest).set(smallest, first);
  }
  const rename = (name: string): string => renamed.get(name) ?? name;
  return lines.map((line) => {
    const match = LINK_LINE.exec(line);
    if (match !== null) return `${match[1]} ${rename(match[2]!)} => ${rename(match[3]!)}`;
    return `${line.slice(0, 12)}${rename(line.slice(12))}`;
  });
}
