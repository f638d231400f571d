import { assertAnyPieceLength, BundleLayout } from "../../src/core/bundle-layout.ts";
import type { RangeSet } from "../../src/core/byte-range.ts";
import type { LinkSpeed } from "../../src/sim/network.ts";
import { runScenario } from "../../src/sim/scenario.ts";
import { median } from "./report.ts";

/** All lines, the origin's too: 20 Mbit/s each way, 10 ms from mirror to mirror. */
export const LINE: LinkSpeed = { upBytesPerSecond: 2_500_000, downBytesPerSecond: 2_500_000, delayMs: 5 };
/** Headers below the payload, as the simulated lines count them. */
const FRAMING = 1514 / 1448;

/** Mirrors that start together with the same ranges of one file. */
export interface SwarmCase {
  readonly fileBytes: number;
  readonly pieceLength: number;
  readonly held: RangeSet;
  /** Bytes that each lacks. */
  readonly missingBytes: number;
  readonly openPieces: number;
  readonly mirrors: number;
}

export interface SwarmTime {
  /** Until the last mirror has it. */
  readonly seconds: number;
  /** All that came down a mirror's line on average: content, requests' answers, haves. */
  readonly receivedBytes: number;
  /** All that left central. */
  readonly originBytes: number;
}

/** A cell that was left out, and why. */
export interface NotSimulated {
  readonly reason: string;
}

/**
 * What a CPU second simulates, of all mirrors together: 1.8 GB took 14 s with a million haves and 36 s with four, on a busy
 * machine.
 */
const CONTENT_BYTES_PER_CPU_SECOND = 130e6;
const HAVES_PER_CPU_SECOND = 165_000;
/** Cells beyond this are left out: the whole sweep is to take about six minutes. */
const MAX_CPU_SECONDS = 40;

/** Undefined if the cell can be simulated in reasonable time. */
export function whyNotSimulated({ missingBytes, openPieces, mirrors }: SwarmCase): NotSimulated | undefined {
  const haves = openPieces * mirrors * (mirrors - 1);
  const seconds = (missingBytes * mirrors) / CONTENT_BYTES_PER_CPU_SECOND + haves / HAVES_PER_CPU_SECOND;
  return seconds > MAX_CPU_SECONDS ? { reason: `about ${seconds.toFixed(0)} CPU s` } : undefined;
}

/** Median of one simulated swarm per seed. @throws Error if a mirror did not end */
export async function simulateSwarm(swarm: SwarmCase, seeds: readonly number[]): Promise<SwarmTime> {
  if (swarm.missingBytes === 0) return { seconds: 0, receivedBytes: 0, originBytes: 0 };
  const layout = new BundleLayout([swarm.fileBytes], swarm.pieceLength, assertAnyPieceLength);
  const volunteers = Array.from({ length: swarm.mirrors }, () => ({ speed: LINE, held: swarm.held }));
  const runs: SwarmTime[] = [];
  for (const seed of seeds) {
    const outcome = await runScenario({ seed, layout, origin: LINE, volunteers });
    const failed = outcome.volunteers.find(({ seconds }) => seconds === undefined);
    if (failed !== undefined) throw new Error(`a mirror did not end: ${String(failed.error)}`);
    const received = outcome.volunteers.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0);
    runs.push({
      seconds: outcome.seconds,
      receivedBytes: received / swarm.mirrors,
      originBytes: outcome.originCopies * swarm.fileBytes,
    });
  }
  return {
    seconds: median(runs.map(({ seconds }) => seconds)),
    receivedBytes: median(runs.map(({ receivedBytes }) => receivedBytes)),
    originBytes: median(runs.map(({ originBytes }) => originBytes)),
  };
}

/** Seconds that so many bytes take on one line. */
export function lineSeconds(bytes: number): number {
  return (bytes * FRAMING) / LINE.upBytesPerSecond;
}
