const MEDIA_TYPES: ReadonlyMap<string, string> = new Map([
  ["asc", "application/pgp-signature"],
  ["bz2", "application/x-bzip2"],
  ["css", "text/css"],
  ["deb", "application/vnd.debian.binary-package"],
  ["dsc", "text/plain; charset=utf-8"],
  ["gif", "image/gif"],
  ["gpg", "application/pgp-keys"],
  ["gz", "application/gzip"],
  ["htm", "text/html"],
  ["html", "text/html"],
  ["ico", "image/vnd.microsoft.icon"],
  ["iso", "application/vnd.efi.iso"],
  ["jpg", "image/jpeg"],
  ["js", "text/javascript"],
  ["json", "application/json"],
  ["md", "text/markdown; charset=utf-8"],
  ["pdf", "application/pdf"],
  ["png", "image/png"],
  ["rpm", "application/x-rpm"],
  ["sig", "application/pgp-signature"],
  ["svg", "image/svg+xml"],
  ["tar", "application/x-tar"],
  ["tgz", "application/gzip"],
  ["txt", "text/plain; charset=utf-8"],
  ["xml", "application/xml"],
  ["xz", "application/x-xz"],
  ["zip", "application/zip"],
  ["zst", "application/zstd"],
]);

/** `Content-Type` by the ending of a name; unknown ones are plain bytes. Never `Content-Encoding`: .gz is the file. */
export function mediaTypeOf(path: string): string {
  const ending = /\.([A-Za-z0-9]{1,8})$/.exec(path)?.[1]?.toLowerCase();
  return (ending === undefined ? undefined : MEDIA_TYPES.get(ending)) ?? "application/octet-stream";
}
