import type { FastifyReply } from "fastify";
import { percentEncodeBytes } from "../codec/percent-encoding.ts";
import { baseNameOf } from "../core/repo-path.ts";
import {
  type DescribedFile,
  type DescriptionKind,
  renderSha256,
  SIGNATURE_ENDING,
} from "../delivery/described-file.ts";
import { renderMetalink3, renderMetalink4, renderMirrorList } from "../delivery/metalink.ts";

interface Description {
  readonly mediaType: string;
  readonly render: (file: DescribedFile) => string | Buffer;
}

const DESCRIPTIONS: Readonly<Record<DescriptionKind, Description>> = {
  meta4: { mediaType: "application/metalink4+xml; charset=utf-8", render: renderMetalink4 },
  metalink: { mediaType: "application/metalink+xml; charset=utf-8", render: renderMetalink3 },
  // A name's bytes as they are.
  sha256: { mediaType: "text/plain", render: (file) => Buffer.from(renderSha256(file), "latin1") },
  mirrorlist: { mediaType: "text/html; charset=utf-8", render: renderMirrorList },
};

/** Answers with a description of a file of the release. */
export function sendDescription(reply: FastifyReply, kind: DescriptionKind, file: DescribedFile): FastifyReply {
  const { mediaType, render } = DESCRIPTIONS[kind];
  if (file.signature !== undefined) void reply.header("Link", signatureLink(file));
  return reply
    .header("Content-Type", mediaType)
    .header("Content-Security-Policy", "default-src 'none'")
    .header("X-Content-Type-Options", "nosniff")
    .header("Cache-Control", "no-store")
    .send(render(file));
}

/** RFC 6249 §5. Relative: central has it at whatever address it was asked. */
function signatureLink({ path }: DescribedFile): string {
  const name = percentEncodeBytes(`${baseNameOf(path)}${SIGNATURE_ENDING}`);
  return `<./${name}>; rel=describedby; type="application/pgp-signature"`;
}
