import { messageOf } from "../../../src/core/errors.ts";
import { FaultBed } from "./fault-bed.ts";
import type { FaultControl, FaultKind, FaultPlay, FaultRow, Played } from "./fault-row.ts";

/** A play of a row, or a control of a kind, and what came of it. */
export interface PlayedFault extends Played {
  /** "S01"; "control" for a run without the defence. */
  readonly row: string;
  readonly kind: FaultKind;
  readonly name: string;
  readonly seconds: number;
}

export interface ChosenPlay {
  readonly row: string;
  readonly play: FaultPlay;
}

export function allPlays(rows: readonly FaultRow[]): ChosenPlay[] {
  return rows.flatMap((row) => ("plays" in row ? row.plays.map((play) => ({ row: row.id, play })) : []));
}

/** A tenth of all, and one of each kind besides. */
export function chooseTenth(plays: readonly ChosenPlay[], random: () => number): ChosenPlay[] {
  const shuffled = plays.map((play) => ({ play, key: random() })).sort((a, b) => a.key - b.key);
  const ordered = shuffled.map(({ play }) => play);
  const tenth = ordered.splice(0, Math.ceil(plays.length / 10));
  const kinds = new Set(ordered.map(({ play }) => play.kind));
  return [...tenth, ...[...kinds].map((kind) => ordered.find(({ play }) => play.kind === kind)!)];
}

/** Plays `lanes` at a time, on disks of their own. What throws counts as a problem. */
export async function playAll(
  plays: readonly ChosenPlay[],
  controls: readonly FaultControl[],
  options: { readonly lanes: number; readonly onPlayed: (played: PlayedFault) => void },
): Promise<PlayedFault[]> {
  await using bed = await FaultBed.create(options.lanes);
  const queue = [
    ...controls.map((control) => ({ row: "control", play: { ...control, name: `without ${control.without}` } })),
    ...plays,
  ];
  const done: PlayedFault[] = [];
  const work = async (lane: number): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const played = await playOne(bed, lane, next);
      done.push(played);
      options.onPlayed(played);
    }
  };
  await Promise.all(Array.from({ length: options.lanes }, (_, lane) => work(lane)));
  return done;
}

async function playOne(bed: FaultBed, lane: number, { row, play }: ChosenPlay): Promise<PlayedFault> {
  const startMs = performance.now();
  let played: Played;
  try {
    played = await play.play(bed, lane);
  } catch (error) {
    played = { fired: 0, problems: [`the play itself failed: ${messageOf(error)}`] };
  }
  const seconds = Math.round((performance.now() - startMs) / 100) / 10;
  return { row, kind: play.kind, name: play.name, ...played, seconds };
}

/** Whether it is as it must be: the fault happened, and the promise was kept or, without the defence, broken. */
export function isAsPromised({ row, fired, problems }: PlayedFault): boolean {
  return fired > 0 && problems.length > 0 === (row === "control");
}

/** For people: counts, and each play that is not as it must be. */
export function describePlayed(played: readonly PlayedFault[]): string {
  const controls = played.filter(({ row }) => row === "control");
  const plays = played.filter(({ row }) => row !== "control");
  const fired = plays.filter((play) => play.fired > 0).length;
  const kept = plays.filter(isAsPromised).length;
  const broken = controls.filter(isAsPromised).length;
  return [
    ...played.filter((play) => !isAsPromised(play)).map(describeOne),
    `faults: ${plays.length} played, ${fired} fired, ${kept} as promised`,
    `without the defence: ${controls.length} played, ${broken} showed damage`,
  ].join("\n");
}

export function describeOne({ row, name, fired, problems, seconds }: PlayedFault): string {
  return [`${row} ${name}: fired ${fired} times, ${seconds} s`, ...problems.map((problem) => `  ${problem}`)].join(
    "\n",
  );
}
