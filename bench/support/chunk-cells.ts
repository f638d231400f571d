import { RangeSet } from "../../src/core/byte-range.ts";
import { parseByteSize } from "../../src/core/byte-size.ts";
import { blockLengthFor } from "../../src/delta/block-length.ts";
import { modelledCost, pieceOverhead } from "../../src/model/piece-cost.ts";
import { findReuse, modelledLineBytes, planFetch, type Cut, type Fetch, type Reuse } from "./chunk-bytes.ts";
import { lineSeconds, simulateSwarm, whyNotSimulated, type NotSimulated, type SwarmTime } from "./chunk-swarm.ts";
import { editedFile } from "./edited-file.ts";

export const SQRT = "√";
/** Sizes of signature blocks and of pieces that are tried; undefined stands for √ of the file's size. */
export const DELTA_SIZES: ReadonlyMap<string, number | undefined> = sizes("4K", "16K", "64K");
export const SWARM_SIZES: ReadonlyMap<string, number | undefined> = sizes("16K", "64K", "256K", "1M");
export const MIRRORS: readonly number[] = [1, 8, 40];

/** One pair of sizes for one edited file. */
export interface UpdateCell {
  readonly fileBytes: number;
  readonly targetBytes: number;
  readonly mode: "coupled √" | "coupled 64K" | "split";
  readonly delta: string;
  readonly swarm: string;
  readonly fetch: Fetch;
  /** What it would be if pieces were fetched whole. */
  readonly wholeFetch: Fetch;
  /** By number of mirrors. */
  readonly swarmTimes: ReadonlyMap<number, SwarmTime | NotSimulated>;
}

/** One piece length for a file of which nobody has anything. */
export interface NewFileCell {
  readonly fileBytes: number;
  readonly swarm: string;
  readonly pieceLength: number;
  readonly swarmTimes: ReadonlyMap<number, SwarmTime | NotSimulated>;
}

export interface SweepOptions {
  readonly seed: number;
  /** Of cells that are quick to simulate; the others are run with the first. */
  readonly swarmSeeds: readonly number[];
  readonly onCell: (text: string) => void;
}

/** All pairs of sizes for one file: the coupled ones first. */
export async function updateCells(fileBytes: number, options: SweepOptions): Promise<UpdateCell[]> {
  const file = editedFile(fileBytes, options.seed);
  const targetBytes = file.target.length;
  const reuses = new Map<string, Reuse>();
  for (const [delta, length] of DELTA_SIZES) {
    reuses.set(delta, findReuse(file, length ?? blockLengthFor(targetBytes, "sqrt")));
  }
  const known = new Map<string, SwarmTime | NotSimulated>();
  const cellOf = async (mode: UpdateCell["mode"], delta: string, swarm: string): Promise<UpdateCell> => {
    const pieceLength = SWARM_SIZES.get(swarm) ?? blockLengthFor(targetBytes, "sqrt");
    const reuse = reuses.get(delta)!;
    const [fetch, wholeFetch] = (["ranges", "pieces"] satisfies Cut[]).map((cut) => planFetch(reuse, pieceLength, cut));
    const used = mode === "split" ? fetch! : wholeFetch!;
    const swarmTimes = await timesOf(used, { targetBytes, options, known });
    options.onCell(`${fileBytes} B changed, ${mode}, delta ${delta}, swarm ${swarm}`);
    return { fileBytes, targetBytes, mode, delta, swarm, fetch: used, wholeFetch: wholeFetch!, swarmTimes };
  };
  const cells = [await cellOf("coupled √", SQRT, SQRT), await cellOf("coupled 64K", "64K", "64K")];
  for (const delta of DELTA_SIZES.keys()) {
    for (const swarm of SWARM_SIZES.keys()) cells.push(await cellOf("split", delta, swarm));
  }
  return cells;
}

/** All piece lengths for a file that is new to everybody. */
export async function newFileCells(fileBytes: number, options: SweepOptions): Promise<NewFileCell[]> {
  const nothing = { targetBytes: fileBytes, signatureBytes: 0, covered: new RangeSet() };
  const known = new Map<string, SwarmTime | NotSimulated>();
  const cells: NewFileCell[] = [];
  for (const [swarm, length] of SWARM_SIZES) {
    const pieceLength = length ?? blockLengthFor(fileBytes, "sqrt");
    const fetch = planFetch(nothing, pieceLength, "ranges");
    const swarmTimes = await timesOf(fetch, { targetBytes: fileBytes, options, known });
    options.onCell(`${fileBytes} B new, swarm ${swarm}`);
    cells.push({ fileBytes, swarm, pieceLength, swarmTimes });
  }
  return cells;
}

interface TimesCall {
  readonly targetBytes: number;
  readonly options: SweepOptions;
  /** What was simulated for this file: equal fetches are one cell. */
  readonly known: Map<string, SwarmTime | NotSimulated>;
}

/** Simulated content and haves up to which a cell is run with all seeds. */
const QUICK_CONTENT_BYTES = 100e6;
const QUICK_HAVES = 200_000;

async function timesOf(
  { pieceLength, held, missingBytes, framingBytes, openPieces }: Fetch,
  { targetBytes: fileBytes, options: { swarmSeeds }, known }: TimesCall,
): Promise<Map<number, SwarmTime | NotSimulated>> {
  const times = new Map<number, SwarmTime | NotSimulated>();
  for (const mirrors of MIRRORS) {
    const key = [pieceLength, missingBytes, framingBytes, openPieces, mirrors].join();
    const swarm = { fileBytes, pieceLength, held, missingBytes, openPieces, mirrors };
    const isQuick = missingBytes * mirrors < QUICK_CONTENT_BYTES && openPieces * mirrors ** 2 < QUICK_HAVES;
    const seeds = isQuick ? swarmSeeds : swarmSeeds.slice(0, 1);
    const time = known.get(key) ?? whyNotSimulated(swarm) ?? (await simulateSwarm(swarm, seeds));
    known.set(key, time);
    times.set(mirrors, time);
  }
  return times;
}

/**
 * Seconds until the last mirror has it: signature and piece hashes, as the share of the line that their bytes take (a
 * release's metadata comes at once for all its files), then the simulated swarm. Undefined if that was left out.
 */
export function totalSeconds({ fetch, swarmTimes }: UpdateCell, mirrors: number): number | undefined {
  const time = swarmTimes.get(mirrors);
  if (time === undefined || "reason" in time) return undefined;
  return lineSeconds(fetch.signatureBytes + fetch.hashBytes) + time.seconds;
}

/** What the model says in place of {@link totalSeconds}: no latency, a perfect schedule. */
export function modelledSeconds({ fetch }: UpdateCell, mirrors: number): number {
  return lineSeconds(fetch.signatureBytes + fetch.hashBytes + modelledLineBytes(fetch, mirrors));
}

/** Simulated time in units of the file's time on one line; undefined if it was left out. */
export function newFileCost({ fileBytes, swarmTimes }: NewFileCell, mirrors: number): number | undefined {
  const time = swarmTimes.get(mirrors);
  return time === undefined || "reason" in time ? undefined : time.seconds / lineSeconds(fileBytes);
}

/** {@link newFileCost} by the model, and its share of protocol bytes. */
export function newFileModel(
  { fileBytes, pieceLength }: NewFileCell,
  mirrors: number,
): { readonly cost: number; readonly overhead: number } {
  return { cost: modelledCost(fileBytes, pieceLength, mirrors), overhead: pieceOverhead(pieceLength, mirrors) };
}

function sizes(...names: readonly string[]): Map<string, number | undefined> {
  return new Map<string, number | undefined>([
    [SQRT, undefined],
    ...names.map((name) => [name, parseByteSize(name)] as const),
  ]);
}
