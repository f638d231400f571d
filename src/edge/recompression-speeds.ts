import { deflate, type DeflateSettings } from "../codec/deflate-stream.ts";
import type { Clock } from "../core/clock.ts";
import type { Recompression } from "../manifest/recompression.ts";
import type { MirrorIndex } from "../store/mirror-index.ts";
import type { UnpackedBasis } from "./unpacked-basis.ts";

/** So much of a basis is compressed to see how fast this host is. */
const TRIAL_BYTES = 1024 * 1024;
/** A day: a trial while this host was busy must not count for good. */
const MAX_AGE_MS: number = 24 * 3_600_000;

/** As remembered in the index, by settings. */
type Trials = Record<string, { readonly bytesPerSecond: number; readonly measuredMs: number } | undefined>;

/** How fast this host makes compressed bytes, by the settings of the longest member: tried once a day, then known. */
export class RecompressionSpeeds {
  readonly #index: MirrorIndex;
  readonly #clock: Clock;

  constructor(index: MirrorIndex, clock: Clock) {
    this.#index = index;
    this.#clock = clock;
  }

  /** Compressed bytes per second; undefined if that was not tried lately. */
  known(recompression: Recompression): number | undefined {
    const trial = this.#trials()[keyOf(settingsOf(recompression))];
    const ageMs = trial === undefined ? Infinity : this.#clock.wallMs() - trial.measuredMs;
    return ageMs >= 0 && ageMs < MAX_AGE_MS ? trial?.bytesPerSecond : undefined;
  }

  /** Tries it with the beginning of the basis: such data as the inner content is. */
  async measure(recompression: Recompression, basis: UnpackedBasis): Promise<number> {
    const settings = settingsOf(recompression);
    const bytes = Buffer.alloc(Math.min(TRIAL_BYTES, basis.lengthBytes));
    await basis.handle.read(bytes, 0, bytes.length, 0);
    const startMs = this.#clock.monotonicMs();
    let made = 0;
    for await (const part of deflate(oneSlice(bytes), settings)) made += part.length;
    const bytesPerSecond = made / (Math.max(1, this.#clock.monotonicMs() - startMs) / 1000);
    const trial = { bytesPerSecond, measuredMs: this.#clock.wallMs() };
    const trials: Trials = { ...this.#trials(), [keyOf(settings)]: trial };
    this.#index.facts.set("recompressionTrials", JSON.stringify(trials));
    return bytesPerSecond;
  }

  #trials(): Trials {
    return JSON.parse(this.#index.facts.get("recompressionTrials") ?? "{}") as Trials;
  }
}

function settingsOf({ members }: Recompression): DeflateSettings {
  return members.reduce((a, b) => (b.lengthBytes > a.lengthBytes ? b : a)).settings;
}

function keyOf({ level, memLevel }: DeflateSettings): string {
  return `${level}/${memLevel}`;
}

async function* oneSlice(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes;
}
