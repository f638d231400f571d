import type { ContentId } from "../core/content-id.ts";
import { parseRuleOptions, type RuleOption } from "./parse-rules.ts";
import { type MergeFileReader, PathFilter } from "./path-filter.ts";

/** What a partial mirror takes of a release, as it was asked for; plain data, so that it can be remembered. */
export interface SelectionSettings {
  /** --filter, --include, …, in their order; later ones are asked when no earlier one matched. */
  readonly rules: readonly RuleOption[];
  /** Texts of the files that rules name, byte strings, as they were when the options were given. */
  readonly ruleFiles: Readonly<Record<string, string>>;
  /** --files-from: these paths (byte strings) alone, with the directories above them; "a/" means what is in it, too, one level deep. */
  readonly paths?: readonly string[] | undefined;
  /** Files outside are neither fetched nor removed. */
  readonly minSizeBytes?: number | undefined;
  readonly maxSizeBytes?: number | undefined;
  /** --quota: of all that, the newest files that fit. */
  readonly quotaBytes?: number | undefined;
  /** --role: what fits into the quota is what central assigns, not the newest by mtime. */
  readonly role?: "volatile" | undefined;
}

/** What the selection looks at of an entry of a release. */
export interface SelectableEntry {
  readonly kind: "file" | "directory" | "symlink";
  readonly size?: number;
  readonly mtimeNs?: bigint;
  /** First name of its inode. */
  readonly link?: string;
  readonly content?: ContentId;
}

/** Which of the selected files a quota leaves. */
export type QuotaLimit = (path: string, entry: SelectableEntry) => boolean;

/** `wanted`: as the release has it; `lacking`: as if the release had no such path; `left-alone`: nobody touches it. */
export type SelectionVerdict = "wanted" | "lacking" | "left-alone";

const EVERYTHING: SelectionSettings = { rules: [], ruleFiles: {} };

/** Which paths of a release a mirror holds, decided on the manifest alone, before anything is fetched. */
export class Selection {
  readonly settings: SelectionSettings;
  readonly #sender: PathFilter;
  readonly #receiver: PathFilter;
  readonly #listed: PathList | undefined;
  readonly #mergeFiles: ReadonlyMap<string, string>;
  readonly #isWithinQuota: QuotaLimit;
  /** Names of the files that dir-merge rules look for in each directory. */
  readonly mergeFileNames: ReadonlySet<string>;

  /** @param mergeFiles texts of those files by path. @throws FilterError `bad-rule` */
  constructor(
    settings: SelectionSettings = EVERYTHING,
    mergeFiles: ReadonlyMap<string, string> = new Map(),
    isWithinQuota: QuotaLimit = () => true,
  ) {
    this.settings = settings;
    this.#mergeFiles = mergeFiles;
    this.#isWithinQuota = isWithinQuota;
    const rules = parseRuleOptions(settings.rules, (name) => settings.ruleFiles[name] ?? "");
    const readMergeFile: MergeFileReader = (directory, name) =>
      mergeFiles.get(directory === "" ? name : `${directory}/${name}`);
    this.#sender = new PathFilter(rules, { side: "sender", readMergeFile });
    this.#receiver = new PathFilter(rules, { side: "receiver", readMergeFile });
    this.#listed = settings.paths === undefined ? undefined : new PathList(settings.paths);
    this.mergeFileNames = new Set(rules.flatMap((rule) => (rule.kind === "directory-merge" ? [rule.fileName] : [])));
  }

  /** The same selection with the texts of its merge files. @throws FilterError `bad-rule` */
  withMergeFiles(texts: ReadonlyMap<string, string>): Selection {
    return new Selection(this.settings, texts, this.#isWithinQuota);
  }

  /** The same selection where files beyond a quota count as lacking. */
  withQuotaLimit(limit: QuotaLimit): Selection {
    return new Selection(this.settings, this.#mergeFiles, limit);
  }

  /** Nothing is left out. */
  get isEverything(): boolean {
    const { rules, paths, minSizeBytes, maxSizeBytes, quotaBytes } = this.settings;
    return rules.length === 0 && (paths ?? minSizeBytes ?? maxSizeBytes ?? quotaBytes) === undefined;
  }

  /**
   * What is to become of a path.
   * @param entry of the release; undefined if it has none
   * @param isDirectory of the entry, or, without one, of what stands in DEST
   */
  verdictOn(path: string, entry: SelectableEntry | undefined, isDirectory: boolean): SelectionVerdict {
    if (entry !== undefined && this.#isSelected(path, entry)) {
      if (!this.#hasFittingSize(entry)) return "left-alone";
      return entry.kind !== "file" || this.#isWithinQuota(path, entry) ? "wanted" : "lacking";
    }
    return this.#receiver.includes(path, isDirectory) && this.#listed === undefined ? "lacking" : "left-alone";
  }

  #isSelected(path: string, entry: SelectableEntry): boolean {
    if (this.#listed?.includes(path) === false) return false;
    return this.#sender.includes(path, entry.kind === "directory");
  }

  #hasFittingSize({ kind, size }: SelectableEntry): boolean {
    if (kind !== "file" || size === undefined) return true;
    const { minSizeBytes = 0, maxSizeBytes = Infinity } = this.settings;
    return size >= minSizeBytes && size <= maxSizeBytes;
  }
}

/** What --files-from names. */
class PathList {
  /** The paths and all directories above them. */
  readonly #paths = new Set<string>();
  /** Directories whose entries are named with them. */
  readonly #open = new Set<string>();

  constructor(paths: readonly string[]) {
    for (const named of paths) {
      const path = named.replace(/\/$/, "");
      if (path !== named) this.#open.add(path);
      for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) this.#paths.add(path.slice(0, end));
    }
  }

  includes(path: string): boolean {
    return this.#paths.has(path) || this.#open.has(path.slice(0, Math.max(0, path.lastIndexOf("/"))));
  }
}
