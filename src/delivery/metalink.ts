import { percentEncodeBytes } from "../codec/percent-encoding.ts";
import type { RepoPath } from "../core/repo-path.ts";
import { type DescribedFile, type DescribedPieces, shownName } from "./described-file.ts";
import { escapeHtml as escapeXml } from "./html-text.ts";
import { contentUrl } from "./redirect-answer.ts";

/** Metalink 4 (RFC 5854): aria2 and others fetch from several places and check what they got. */
export function renderMetalink4(file: DescribedFile): string {
  const urls = file.bases.map((base, index) => {
    const url = contentUrl(base, file.path, file.content);
    return `    <url priority="${index + 1}">${escapeXml(url)}</url>\n`;
  });
  const { signature } = file;
  const signed =
    signature === undefined
      ? ""
      : `    <signature mediatype="application/pgp-signature">\n${escapeXml(signature.trimEnd())}\n    </signature>\n`;
  return (
    '<?xml version="1.0" encoding="UTF-8"?>\n<metalink xmlns="urn:ietf:params:xml:ns:metalink">\n' +
    "  <generator>prsync</generator>\n" +
    `  <file name="${escapeXml(shownName(file))}">\n    <size>${file.lengthBytes}</size>\n` +
    `    <hash type="sha-256">${file.content}</hash>\n${renderPieces(file.pieces)}${signed}${urls.join("")}` +
    "  </file>\n</metalink>\n"
  );
}

/** SHA-1 because the swarm has these already; whoever fetched all of the file has its SHA-256 to compare. */
function renderPieces(pieces: DescribedPieces | undefined): string {
  if (pieces === undefined) return "";
  const digits = Buffer.from(pieces.hashes).toString("hex");
  const hashes: string[] = [];
  for (let at = 0; at < digits.length; at += 40) hashes.push(`      <hash>${digits.slice(at, at + 40)}</hash>\n`);
  return `    <pieces length="${pieces.pieceLength}" type="sha-1">\n${hashes.join("")}    </pieces>\n`;
}

/**
 * Metalink 3.0 as MirrorManager writes it, the only one that dnf reads. It cuts the path off the URLs to find whole
 * mirrors, so they have no query.
 */
export function renderMetalink3(file: DescribedFile): string {
  const urls = file.bases.map((base, index) => {
    const url = plainUrl(base, file.path);
    const protocol = url.slice(0, url.indexOf(":"));
    const preference = Math.max(1, 100 - index);
    return `        <url protocol="${protocol}" type="${protocol}" preference="${preference}">${escapeXml(url)}</url>\n`;
  });
  return (
    '<?xml version="1.0" encoding="utf-8"?>\n<metalink version="3.0" xmlns="http://www.metalinker.org/" type="dynamic" ' +
    'generator="prsync" xmlns:mm0="http://fedorahosted.org/mirrormanager">\n  <files>\n' +
    `    <file name="${escapeXml(shownName(file))}">\n` +
    `      <mm0:timestamp>${file.mtimeNs / 1_000_000_000n}</mm0:timestamp>\n      <size>${file.lengthBytes}</size>\n` +
    `      <verification>\n        <hash type="sha256">${file.content}</hash>\n      </verification>\n` +
    `      <resources maxconnections="1">\n${urls.join("")}      </resources>\n    </file>\n  </files>\n</metalink>\n`
  );
}

/** A page for people: who has this file, nearest and least busy first. */
export function renderMirrorList(file: DescribedFile): string {
  const title = `Mirrors of ${escapeXml(shownName(file))}`;
  const rows = file.bases.map((base) => {
    const url = escapeXml(plainUrl(base, file.path));
    return `<li><a href="${url}">${url}</a></li>\n`;
  });
  return (
    `<!doctype html>\n<html><head><meta charset="utf-8"><title>${title}</title></head>\n<body><h1>${title}</h1>\n` +
    `<p>${file.lengthBytes} bytes, SHA-256 ${file.content}</p>\n<ol>\n${rows.join("")}</ol></body></html>\n`
  );
}

function plainUrl(base: string, path: RepoPath): string {
  return `${base}/${path.split("/").map(percentEncodeBytes).join("/")}`;
}
