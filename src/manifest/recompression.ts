import {
  encodeCanonicalObject,
  jsonText,
  parseCanonicalObject,
  requireSameLine,
  splitJsonLines,
  type UnknownFields,
} from "../codec/canonical-json.ts";
import { MAX_GZIP_HEADER_LENGTH, parseGzipHeader } from "../codec/gzip-header.ts";
import type { MemberRecipe } from "../codec/gzip-recipe.ts";
import { MAX_GZIP_MEMBERS } from "../codec/gunzip.ts";
import { parseContentId, type ContentId } from "../core/content-id.ts";
import { refusing } from "./errors.ts";
import { FieldReader } from "./field-reader.ts";

/** Most bytes of an inner content: publishing looks no deeper, readers believe no more. */
export const MAX_INNER_BYTES: number = 512 * 2 ** 20;
/** The one format that is known; lines of others are left out by readers. */
const GZIP = "gzip";

/** How a compressed content is made again from its inner one (docs/protocol.md, "Recompression"). */
export interface Recompression {
  /** The compressed content, a gzip file. */
  readonly content: ContentId;
  /** What it unpacks to: a content of an inner bundle, or of a content bundle if the tree has it as a file, too. */
  readonly inner: ContentId;
  readonly innerLengthBytes: number;
  readonly members: readonly RecordedMember[];
  readonly unknown?: UnknownFields;
}

/** A member as the line has it. */
export interface RecordedMember extends MemberRecipe {
  readonly unknown?: UnknownFields;
}

/** One line of the file `recompression` of a metadata bundle, without the newline. */
export function encodeRecompression(recompression: Recompression): string {
  return encodeCanonicalObject(
    [
      ["content", jsonText(recompression.content)],
      ["format", jsonText(GZIP)],
      ["inner", jsonText(recompression.inner)],
      ["length", jsonText(recompression.innerLengthBytes)],
      ["members", `[${recompression.members.map(encodeMember).join(",")}]`],
    ],
    recompression.unknown,
  );
}

function encodeMember({ header, lengthBytes, settings, unknown }: RecordedMember): string {
  return encodeCanonicalObject(
    [
      ["header", jsonText(Buffer.from(header).toString("base64"))],
      ["length", jsonText(lengthBytes)],
      ["level", jsonText(settings.level)],
      ["memLevel", jsonText(settings.memLevel)],
    ],
    unknown,
  );
}

/**
 * Reads the file; lines of a format that is not known are left out.
 * @throws ManifestError `bad-recompression`
 */
export function parseRecompressions(bytes: Uint8Array): Recompression[] {
  return refusing("bad-recompression", "recompression", () =>
    Array.from(splitJsonLines(bytes), parseRecompression).filter((known) => known !== undefined),
  );
}

/** Undefined for another format than gzip. @throws ManifestError `bad-recompression` */
export function parseRecompression(line: string): Recompression | undefined {
  return refusing("bad-recompression", "recompression", () => {
    const fields = parseCanonicalObject(line);
    if (fields.get("format") !== GZIP && typeof fields.get("format") === "string") return undefined;
    const reader = new FieldReader(fields, "bad-recompression", "recompression");
    const recompression = readRecompression(reader);
    requireSameLine(line, encodeRecompression(recompression));
    return recompression;
  });
}

function readRecompression(reader: FieldReader): Recompression {
  const content = parseContentId(reader.sha256("content"));
  reader.text("format", /^gzip$/, `"${GZIP}"`);
  const inner = parseContentId(reader.sha256("inner"));
  const innerLengthBytes = reader.integer("length", 1, MAX_INNER_BYTES);
  const members = reader.objects("members").map(readMember);
  const lengthBytes = members.reduce((sum, member) => sum + member.lengthBytes, 0);
  if (members.length === 0 || members.length > MAX_GZIP_MEMBERS || lengthBytes !== innerLengthBytes) {
    reader.fail("members", `1 to ${MAX_GZIP_MEMBERS} members of ${innerLengthBytes} bytes in all`);
  }
  return { content, inner, innerLengthBytes, members, ...reader.unknown() };
}

function readMember(reader: FieldReader): RecordedMember {
  const text = reader.text("header", BASE64, "a gzip header in base64");
  const header = Buffer.from(text, "base64");
  if (header.length > MAX_GZIP_HEADER_LENGTH || parseGzipHeader(header).bytes.length !== header.length) {
    reader.fail("header", "a gzip header in base64 and nothing else");
  }
  const lengthBytes = reader.integer("length", 0, MAX_INNER_BYTES);
  const settings = { level: reader.integer("level", 1, 9), memLevel: reader.integer("memLevel", 1, 9) };
  return { header: new Uint8Array(header), lengthBytes, settings, ...reader.unknown() };
}

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
