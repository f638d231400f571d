import type { AuditedFile } from "./audit-question.ts";
import { auditedFile, type SentFile } from "./sent-samples.ts";

/** Customers that a volunteer sent back, because it has not what central believed. */
export interface MissCount {
  /** Since the start. */
  readonly customers: number;
  /** Different networks of them within the last hour, 16 at most. */
  readonly networks: number;
}

interface Missed {
  customers: number;
  /** When each sent a customer last, oldest first. */
  readonly networks: Map<string, number>;
  /** To be asked for. */
  hint: AuditedFile | undefined;
  hintMs: number;
}

const NETWORK_REMEMBERED_MS = 3_600_000;
/** Anybody can pretend a miss: so many networks together are believed so far that the volunteer is asked itself. */
const NETWORKS_FOR_HINT = 3;
/** Whatever customers say, a volunteer is not asked more often. */
const HINT_PAUSE_MS = 60_000;
const MOST_NETWORKS = 16;
const MOST_VOLUNTEERS = 16_384;

/**
 * Misses by volunteer. They take no customers away, because customers are strangers; they hint at what central should ask
 * the volunteer for itself. Bounded: 16 networks per volunteer.
 */
export class VolunteerMisses {
  readonly #missed = new Map<string, Missed>();

  /** @param network whom customers count to: several of one are one */
  note(
    volunteer: string,
    file: SentFile,
    { network, nowMs }: { readonly network: string; readonly nowMs: number },
  ): void {
    const missed = this.#missed.get(volunteer) ?? this.#begin(volunteer);
    missed.customers++;
    const { networks } = missed;
    forgetOld(networks, nowMs);
    networks.delete(network);
    networks.set(network, nowMs);
    if (networks.size > MOST_NETWORKS) networks.delete(networks.keys().next().value!);
    if (networks.size < NETWORKS_FOR_HINT || nowMs - missed.hintMs < HINT_PAUSE_MS) return;
    missed.hint = auditedFile(file);
    missed.hintMs = nowMs;
  }

  /** Undefined: none. */
  countOf(volunteer: string, nowMs: number): MissCount | undefined {
    const missed = this.#missed.get(volunteer);
    if (missed === undefined) return undefined;
    forgetOld(missed.networks, nowMs);
    return { customers: missed.customers, networks: missed.networks.size };
  }

  hasHint(volunteer: string): boolean {
    return this.#missed.get(volunteer)?.hint !== undefined;
  }

  /** A file that customers of several networks were sent back for, to be asked for now; once. */
  takeHint(volunteer: string): AuditedFile | undefined {
    const missed = this.#missed.get(volunteer);
    if (missed === undefined) return undefined;
    const { hint } = missed;
    missed.hint = undefined;
    return hint;
  }

  #begin(volunteer: string): Missed {
    if (this.#missed.size >= MOST_VOLUNTEERS) this.#missed.clear();
    const missed: Missed = { customers: 0, networks: new Map(), hint: undefined, hintMs: -Infinity };
    this.#missed.set(volunteer, missed);
    return missed;
  }
}

function forgetOld(networks: Map<string, number>, nowMs: number): void {
  for (const [network, atMs] of networks) if (nowMs - atMs > NETWORK_REMEMBERED_MS) networks.delete(network);
}
