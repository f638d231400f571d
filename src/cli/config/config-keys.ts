import { isAbsolute } from "node:path";
import { messageOf } from "../../core/errors.ts";
import type { Command } from "../command.ts";
import { convertValue, type OptionSpec } from "../option-spec.ts";
import type { PlaceKind } from "./config-file.ts";

/** What may stand in the tables of one kind. */
export interface KnownKeys {
  /** `dest` or `tree`: the directory that a table names. */
  readonly place: "dest" | "tree";
  /** By name. */
  readonly options: ReadonlyMap<string, OptionSpec>;
  /** Why an option that one may expect is none. */
  readonly explains: ReadonlyMap<string, string>;
}

/** The commands whose options a table may hold; others take of them what they know. */
const COMMANDS_OF: Readonly<Record<PlaceKind, readonly string[]>> = {
  mirror: ["sync", "daemon"],
  tree: ["publish", "serve"],
};

/** Keys are the names of options, so that there is nothing to learn twice. */
export function knownKeys(kind: PlaceKind, commands: readonly Command[]): KnownKeys {
  const taking = commands.filter(({ name }) => COMMANDS_OF[kind].includes(name));
  return {
    place: kind === "mirror" ? "dest" : "tree",
    options: new Map(taking.flatMap(({ options }) => options.map((option) => [option.name, option]))),
    explains: new Map(taking.flatMap(({ explains }) => [...(explains ?? [])])),
  };
}

/** A value as the command line would have it: flags are booleans, rules lists, all else one text. */
export type Setting = boolean | readonly string[];

/** @throws Error in words */
export function readSetting(option: OptionSpec, value: unknown): Setting {
  if (option.kind === "flag") {
    if (typeof value === "boolean") return value;
    throw new Error(`expected true or false, got ${describe(value)}`);
  }
  const isList = option.kind === "rule" && Array.isArray(value);
  return (isList ? (value as readonly unknown[]) : [value]).map((member) => readText(option, member));
}

function readText(option: OptionSpec, value: unknown): string {
  const text = typeof value === "number" && Number.isInteger(value) ? String(value) : value;
  const isUsable = typeof text === "string" && text !== "";
  if (!isUsable || (option.kind === "rule" && typeof value !== "string")) {
    const wanted = `${option.placeholder ?? "a value"} as text in quotes${option.kind === "rule" ? ", or a list of them" : ""}`;
    throw new Error(`expected ${wanted}, got ${describe(value)}`);
  }
  if (option.isPath === true) assertAbsolute(text);
  convertValue(option, text);
  try {
    option.check?.(text);
  } catch (error) {
    throw new Error(messageOf(error).replace(`--${option.name}: `, ""), { cause: error });
  }
  return text;
}

/** @throws Error in words */
export function assertAbsolute(text: string): void {
  if (isAbsolute(text)) return;
  throw new Error(`expected a path that begins with /, got "${text}": cron and systemd start in other directories`);
}

/** For messages. */
export function describe(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (value instanceof Date) return "a date";
  if (typeof value === "object" && value !== null) return "a table";
  return typeof value === "string" ? `"${value}"` : String(value);
}
