import type { FastifyReply } from "fastify";
import { percentEncodeBytes } from "../codec/percent-encoding.ts";
import { baseNameOf } from "../core/repo-path.ts";
import {
  type DescribedFile,
  type DescriptionKind,
  renderSha256,
  shownName,
  SIGNATURE_ENDING,
} from "../delivery/described-file.ts";
import { renderMetalink3, renderMetalink4, renderMirrorList } from "../delivery/metalink.ts";

interface Description {
  readonly mediaType: string;
  /** To be saved beside the file that it describes: aria2 would save one that comes at the path of the file under the name of the file. */
  readonly isBeside: boolean;
  readonly render: (file: DescribedFile) => string | Buffer;
}

const DESCRIPTIONS: Readonly<Record<DescriptionKind, Description>> = {
  meta4: { mediaType: "application/metalink4+xml; charset=utf-8", isBeside: true, render: renderMetalink4 },
  metalink: { mediaType: "application/metalink+xml; charset=utf-8", isBeside: true, render: renderMetalink3 },
  // A name's bytes as they are.
  sha256: { mediaType: "text/plain", isBeside: false, render: (file) => Buffer.from(renderSha256(file), "latin1") },
  mirrorlist: { mediaType: "text/html; charset=utf-8", isBeside: false, render: renderMirrorList },
};

/**
 * Answers with a description of a file of the release. A HEAD for a Metalink 4 is not told how long that is, since hashes of pieces would have
 * to be read to know it (RFC 9110 §9.3.2).
 */
export function sendDescription(reply: FastifyReply, kind: DescriptionKind, file: DescribedFile): FastifyReply {
  const { mediaType, isBeside, render } = DESCRIPTIONS[kind];
  if (isBeside) void reply.header("Content-Disposition", attachment(`${shownName(file)}.${kind}`));
  if (file.signature !== undefined) void reply.header("Link", signatureLink(file));
  const isLengthUnknown = kind === "meta4" && reply.request.method === "HEAD";
  return reply
    .header("Content-Type", mediaType)
    .header("Content-Security-Policy", "default-src 'none'")
    .header("X-Content-Type-Options", "nosniff")
    .header("Cache-Control", "no-store")
    .send(isLengthUnknown ? undefined : render(file));
}

/** RFC 6266; a name of more than plain characters in UTF-8 (RFC 8187). */
function attachment(name: string): string {
  if (/^[\w.+~-]+$/.test(name)) return `attachment; filename="${name}"`;
  const escaped = encodeURIComponent(name).replace(/['()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`);
  return `attachment; filename*=UTF-8''${escaped}`;
}

/** RFC 6249 §5. Relative: central has it at whatever address it was asked. */
function signatureLink({ path }: DescribedFile): string {
  const name = percentEncodeBytes(`${baseNameOf(path)}${SIGNATURE_ENDING}`);
  return `<./${name}>; rel=describedby; type="application/pgp-signature"`;
}
