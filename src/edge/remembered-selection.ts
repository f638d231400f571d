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
  role: z.literal("volatile").optional(),
});

/** A selection and the name by which its totals and the cut of its quota are remembered. */
export interface NamedSelection {
  readonly selection: Selection;
  /** SHA-256 of the settings, hex. */
  readonly id: string;
}

/**
 * What this mirror is to hold of a release: as it was asked now, else as the last run had it. Remembered in the state directory from the
 * moment a run is about to change something by it: what is refused before leaves the last one in force.
 */
export class RememberedSelection implements NamedSelection {
  readonly selection: Selection;
  readonly id: string;
  /** No run left one: the last one in force says nothing of what is meant. */
  readonly #isFirst: boolean;
  readonly #path: string;
  #applied: NamedSelection;

  private constructor(path: string, asked: NamedSelection, applied: NamedSelection | undefined) {
    this.selection = asked.selection;
    this.id = asked.id;
    this.#path = path;
    this.#isFirst = applied === undefined;
    this.#applied = applied ?? named(new Selection());
  }

  /** @throws FilterError `bad-rule`; SyncError `bad-selection` if the file is damaged */
  static async open(stateDirectory: string, asked: SelectionSettings | undefined): Promise<RememberedSelection> {
    const path = join(stateDirectory, FILE_NAME);
    const bytes = await readFileIfExists(path);
    const applied = bytes === undefined ? undefined : named(new Selection(parseSettings(path, bytes)));
    const meant = asked === undefined ? applied : named(new Selection(asked));
    return new RememberedSelection(path, meant ?? named(new Selection()), applied);
  }

  /** What the last run went by that changed anything. */
  get applied(): NamedSelection {
    return this.#applied;
  }

  /** No run has gone by it yet: other paths may be meant, whatever the releases changed. */
  get isNew(): boolean {
    return this.id !== this.#applied.id;
  }

  /**
   * A mirror that holds nothing yet starts by it: whatever ends its first run, one without options must not go by everything, and remove what
   * these protect. @throws as {@link remember}
   */
  async rememberFirst(): Promise<void> {
    if (this.#isFirst) await this.remember();
  }

  /** A run is about to go by it. @throws StoreError if the state directory does not take it */
  async remember(): Promise<void> {
    if (!this.isNew) return;
    await writeFileDurably(this.#path, `${JSON.stringify(this.selection.settings)}\n`, { mode: 0o600 });
    this.#applied = { selection: this.selection, id: this.id };
  }
}

function named(selection: Selection): NamedSelection {
  return { selection, id: idOf(selection) };
}

function idOf({ settings }: Selection): string {
  const { rules, ruleFiles, paths, minSizeBytes, maxSizeBytes, quotaBytes, role } = settings;
  const words = rules.map(({ option, value }) => [option, value]);
  const all = [
    words,
    Object.entries(ruleFiles),
    paths,
    minSizeBytes,
    maxSizeBytes,
    quotaBytes,
    ...(role === undefined ? [] : [role]),
  ];
  return hash("sha256", JSON.stringify(all), "hex");
}

function parseSettings(path: string, bytes: Uint8Array): SelectionSettings {
  const parsed = settingsSchema.safeParse(parseJson(bytes));
  if (parsed.success) return parsed.data;
  throw new SyncError("bad-selection", `selection "${path}" is damaged; give the filter options again, or remove it`);
}
