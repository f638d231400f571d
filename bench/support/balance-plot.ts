import { panelsSvg, type Panel, type PanelRow } from "./panels-svg.ts";
import type { Row } from "./report.ts";

const COLOURS: Readonly<Record<string, string>> = {
  random: "#8c8c8c",
  "round robin": "#c0504d",
  weights: "#d79b00",
  "two choices": "#7a5195",
  "least sent": "#3b8ea5",
  "expected time, sync not counted": "#8ab17d",
  "expected time": "#1b6ca8",
  "last announces alone": "#ef5675",
  oracle: "#000000",
};

/** Response times and work over the workload, with half of the mirrors synchronising, and over the announce interval. */
export function balanceSvg(rows: readonly Row[]): string {
  const byWorkload = (scene: string, title: string): PanelRow => ({
    title,
    ...SECONDS,
    xTitle: "workload",
    xNames: namesOf(rows, scene, "workload").map((load) => `${Math.round(load * 100)} %`),
    panels: ["p50", "p95", "p99"].map((key) => panel(rows, { scene, over: "workload", key })),
  });
  const shown: PanelRow[] = [];
  if (hasScene(rows, "daily syncs")) {
    shown.push(byWorkload("daily syncs", "Response times; mirrors synchronise 1.81 h a day"));
    const workload = byWorkload("daily syncs", "Work per mirror by the capacity of its line: coefficient of variation");
    const panels = [panel(rows, { scene: "daily syncs", over: "workload", key: "workCv" })];
    shown.push({ ...workload, yTitle: "CV", yText: String, panels });
  }
  if (hasScene(rows, "equal lines")) shown.push(byWorkload("equal lines", "Response times; all lines 8.5 Mbit/s"));
  if (hasScene(rows, "half synchronise")) {
    shown.push(byWorkload("half synchronise", "Response times; half of the mirrors synchronise all the time"));
  }
  if (hasScene(rows, "announces")) {
    shown.push({
      title: "Response times over the announce interval, workload 80 %",
      ...SECONDS,
      xTitle: "seconds between two announces",
      xNames: namesOf(rows, "announces", "announceSeconds").map(String),
      panels: ["p50", "p95", "p99"].map((key) => panel(rows, { scene: "announces", over: "announceSeconds", key })),
    });
  }
  return panelsSvg("Which volunteer serves a customer: 40 volunteers of 5, 10 and 20 Mbit/s", shown);
}

const SECONDS = { yTitle: "seconds", yText: (value: number): string => `${value} s` };

function hasScene(rows: readonly Row[], scene: string): boolean {
  return rows.some((row) => row["scene"] === scene);
}

function namesOf(rows: readonly Row[], scene: string, over: string): number[] {
  return [...new Set(rows.filter((row) => row["scene"] === scene).map((row) => Number(row[over])))];
}

interface PanelOf {
  readonly scene: string;
  readonly over: string;
  readonly key: string;
}

function panel(rows: readonly Row[], { scene, over, key }: PanelOf): Panel {
  const places = namesOf(rows, scene, over);
  const ofScene = rows.filter((row) => row["scene"] === scene);
  const series = [...new Set(ofScene.map((row) => String(row["choice"])))].map((name) => ({
    name,
    colour: COLOURS[name] ?? "#000000",
    values: places.map((place) => {
      const found = ofScene.find((row) => row["choice"] === name && row[over] === place)?.[key];
      return typeof found === "number" ? found : undefined;
    }),
    ...(name === "oracle" ? { style: "dashes" as const } : {}),
  }));
  return { title: key === "workCv" ? "CV of work" : key, series };
}
