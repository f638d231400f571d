import { hash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { Selection, type SelectionSettings } from "../filter/selection.ts";
import { readFileIfExists, writeFileDurably } from "../store/durable-file.ts";
import { SyncError } from "./errors.ts";
import { parseJson } from "./json-body.ts";

const FILE_NAME = "selection.json";

const settingsSchema = z.object({
  rules: z.array(
    z.object({ option: z.enum(["filter", "include", "exclude", "include-from", "exclude-from"]), value: z.string() }),
  ),
  ruleFiles: z.record(z.string(), z.string()),
  paths: z.array(z.string()).optional(),
  minSizeBytes: z.number().optional(),
  maxSizeBytes: z.number().optional(),
  quotaBytes: z.number().optional(),
});

/** A selection and the name by which its totals are remembered. */
export interface RememberedSelection {
  readonly selection: Selection;
  /** SHA-256 of the settings, hex. */
  readonly id: string;
  /** The settings differ from those of the run before. */
  readonly isNew: boolean;
}

/**
 * What this mirror holds of a release: as `asked` now, else as it was asked the last time; remembered in the state directory (but for a trial).
 * @throws FilterError `bad-rule`; SyncError `bad-selection` if the file is damaged
 */
export async function rememberSelection(
  stateDirectory: string,
  asked: SelectionSettings | undefined,
  isTrial = false,
): Promise<RememberedSelection> {
  const path = join(stateDirectory, FILE_NAME);
  const bytes = await readFileIfExists(path);
  const before = bytes === undefined ? new Selection() : new Selection(parseSettings(path, bytes));
  const selection = asked === undefined ? before : new Selection(asked);
  const id = idOf(selection);
  const isNew = id !== idOf(before);
  if (isNew && !isTrial) await writeFileDurably(path, `${JSON.stringify(selection.settings)}\n`, { mode: 0o600 });
  return { selection, id, isNew };
}

function idOf({ settings }: Selection): string {
  const { rules, ruleFiles, paths, minSizeBytes, maxSizeBytes, quotaBytes } = settings;
  const words = rules.map(({ option, value }) => [option, value]);
  const all = [words, Object.entries(ruleFiles), paths, minSizeBytes, maxSizeBytes, quotaBytes];
  return hash("sha256", JSON.stringify(all), "hex");
}

function parseSettings(path: string, bytes: Uint8Array): SelectionSettings {
  const parsed = settingsSchema.safeParse(parseJson(bytes));
  if (parsed.success) return parsed.data;
  throw new SyncError("bad-selection", `selection "${path}" is damaged; give the filter options again, or remove it`);
}
