import { formatByteSize } from "../core/byte-size.ts";
import { percent, ratio, whole, type Section } from "./section.ts";
import type { TreeReport, TreeSource } from "./tree-report.ts";

/** A tree's report as sections, in the order in which people read it. */
export function treeSections(tree: TreeReport): Section[] {
  return [treeSection(tree), similarSection(tree), savingsSection(tree)];
}

const SOURCES: Readonly<Record<TreeSource["from"], string>> = {
  files: "files, all of them read",
  published: "index of publish",
  mirror: "index of the mirror",
};

function sourceText({ from, release }: TreeSource): string {
  return release === null ? SOURCES[from] : `${SOURCES[from]}, release ${release}; no file was read`;
}

function treeSection({
  source,
  files,
  bytes,
  unreadable,
  smallShareOfFiles,
  largeShareOfBytes,
  identical,
}: TreeReport): Section {
  return {
    title: "Tree: sizes, and identical files over 1 MB",
    note: "identical: the same bytes as a file before it in path order",
    columns: [],
    rows: [
      ["known from", sourceText(source)],
      [
        "files",
        `${whole(files)}, ${formatByteSize(bytes)}${unreadable > 0 ? `; ${whole(unreadable)} unreadable` : ""}`,
      ],
      ["files up to 1 MB", percent(smallShareOfFiles)],
      ["bytes in files above", percent(largeShareOfBytes)],
      ["files above 1 MB", whole(identical.largeFiles)],
      ["identical ones", `${whole(identical.files)}, ${percent(identical.shareOfLargeFiles)}`],
      ["their bytes", `${formatByteSize(identical.bytes)}, ${percent(identical.shareOfBytes)} of all`],
      ["source packages among them", percent(identical.sourceShareOfFiles)],
      ["their bytes of these", percent(identical.sourceShareOfBytes)],
    ],
  };
}

function similarSection({ similar }: TreeReport): Section {
  return {
    title: "Tree: versions and variants",
    note: "different contents of 256 KiB and more, by the share that the nearest one before it has, as sketches tell: ± 12 % each, a little low",
    columns: ["likeness", "contents", "share"],
    rows: [
      ...similar.byTenths.map((count, tenth) => [
        `${10 * tenth} … ${10 * tenth + 10} %`,
        whole(count),
        percent(ratio(count, similar.contents)),
      ]),
      ...(similar.withoutSketch === 0 ? [] : [["no sketch is known", whole(similar.withoutSketch), ""]]),
      ["any", whole(similar.alike), percent(ratio(similar.alike, similar.contents))],
      ["mean of these", "", percent(similar.meanLikeness)],
    ],
  };
}

const INSIDE_NOTE = "look-inside: beyond delta";

function savingsSection({ savings, bytes, repackable }: TreeReport): Section {
  const row = (name: string, saved: number | null): string[] =>
    saved === null ? [name, "unknown", ""] : [name, formatByteSize(saved), percent(ratio(saved, bytes))];
  return {
    title: "Tree: what an empty mirror need not fetch",
    note:
      repackable === null
        ? `${INSIDE_NOTE}, at most; not each gzip file can be packed again bit for bit`
        : `${INSIDE_NOTE}; ${repackableText(repackable)}`,
    columns: ["by", "bytes", "of all"],
    rows: [
      row("dedupe", savings.dedupeBytes),
      row("delta", savings.deltaBytes),
      row("look-inside", savings.lookInsideBytes),
    ],
  };
}

/** Publish does not look into a file without a relative in the release before. */
function repackableText({ contents, bytes, unpackedBytes }: NonNullable<TreeReport["repackable"]>): string {
  return `${whole(contents)} gzip files, ${formatByteSize(bytes)} of ${formatByteSize(unpackedBytes)} unpacked, are known to pack again bit for bit`;
}
