import { percentDecodeBytes } from "../codec/percent-encoding.ts";
import type { RepoPath } from "../core/repo-path.ts";
import { isMetadataPath } from "../plan/metadata-class.ts";

/** What a file of a repository is, by its name: the classes of the PRsync paper, its rest parted into source, metadata and other. */
export const FILE_KINDS = ["image", "package", "source", "metadata", "other"] as const;
export type FileKind = (typeof FILE_KINDS)[number];

const METADATA_ENDING =
  /\.(?:asc|sig|sign|gpg|md5|sha1|sha256|sha512|md5sum|xml|xml\.(?:gz|xz|bz2|zst)|sqlite\.(?:gz|xz|bz2)|yml|yml\.(?:gz|xz)|json|manifest|zsync|torrent|meta4|metalink|jigdo|list|key|pub)$/;
const METADATA_NAME = /^(?:release\.|.*sums(?:\.|$)|checksum|.*\.contents$|index(?:\.|$)|ls-lr|apkindex|by-hash$)/;
const METADATA_DIRECTORY = /\/(?:repodata|by-hash|dep11|i18n)\//;
const SOURCE_ENDING =
  /\.(?:src\.rpm|dsc|diff\.gz|patch|(?:tar|cpio)\.(?:gz|xz|bz2|lz|zst|lzma|z)|tar|tgz|tbz2?|zip|7z|src\.tar\.gz)$/;
const PACKAGE_ENDING =
  /\.(?:deb|udeb|ddeb|rpm|drpm|apk|xbps|txz|pkg|pkg\.tar\.(?:zst|xz|gz)|snap|flatpak|whl|egg|gem|crate|jar|war|nupkg|appimage|msi|msu|cab|exe|dmg|ipk|eopkg|vsix|psf)$/;
const IMAGE_ENDING =
  /\.(?:iso|img|qcow2?|vmdk|vhdx?|vdi|ova|squashfs|raw|box|template|wsl|wim|efi)(?:\.(?:gz|xz|bz2|zst|zip))?$/;

/** @param path as it stands in a log, percent-encoded or not */
export function fileKindOf(path: string): FileKind {
  const decoded = percentDecodeBytes(path) ?? path;
  const lower = decoded.toLowerCase();
  const name = lower.slice(lower.lastIndexOf("/") + 1);
  if (name === "") return "other";
  if (isMetadataPath(decoded.replace(/^\/+/, "") as RepoPath) || METADATA_DIRECTORY.test(lower)) return "metadata";
  if (METADATA_ENDING.test(name) || METADATA_NAME.test(name)) return "metadata";
  if (IMAGE_ENDING.test(name)) return "image";
  if (name.endsWith(".src.rpm")) return "source";
  if (PACKAGE_ENDING.test(name)) return "package";
  return SOURCE_ENDING.test(name) ? "source" : "other";
}
