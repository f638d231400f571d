import { createHash } from "node:crypto";
import { expect } from "vitest";
import type { ServeOptions } from "../../src/central/serve-options.ts";
import { CentralFixture, type TestVolunteer } from "./central-fixture.ts";

/** Until a volunteer's port was tried; machines may be busy. */
export const PATIENCE: { readonly timeout: number } = { timeout: 20_000 };
export const sha256 = (bytes: string): string => createHash("sha256").update(bytes).digest("hex");
/** Contents of a.iso, "pool/b c.deb" and dists/Packages. */
export const ISO: string = "i".repeat(50_000);
export const DEB: string = "d".repeat(30_000);
export const INDEX: string = "p".repeat(20_000);

export async function served(change: Partial<ServeOptions> = {}): Promise<CentralFixture> {
  const fixture = new CentralFixture();
  fixture.write("small.txt", "small\n");
  fixture.write("a.iso", ISO);
  fixture.write("pool/b c.deb", DEB);
  fixture.write("dists/Packages", INDEX);
  fixture.symlink("latest", "a.iso");
  await fixture.publish();
  await fixture.serve(change);
  return fixture;
}

/** A full mirror on this host that announced. */
export async function mirror(fixture: CentralFixture, name: string, body: object = {}): Promise<TestVolunteer> {
  const volunteer = await fixture.volunteer(name);
  const { status } = await volunteer.announce({ body: { url: `http://127.0.0.1:1/${name}`, ...body } });
  expect(status).toBe(200);
  return volunteer;
}

/** "origin", or the name of the mirror that a GET is sent to. */
export async function whoServes(
  fixture: CentralFixture,
  path: string,
  headers: Record<string, string> = {},
): Promise<string> {
  const response = await fixture.get(path, headers);
  await response.bytes();
  if (response.status !== 302) return response.status === 200 ? "origin" : String(response.status);
  return /^http:\/\/127\.0\.0\.1:1\/([^/]*)\//.exec(response.headers.get("location")!)![1]!;
}

export interface Explained {
  readonly ranked: readonly { readonly name: string; readonly waitSeconds: number }[];
  readonly rejected: readonly { readonly name: string; readonly reason: string }[];
  readonly customer: object;
  readonly release: number;
}

/** What `?explain` tells. */
export async function explained(fixture: CentralFixture, path: string): Promise<Explained> {
  return (await (await fixture.get(`${path}?explain=json`)).json()) as Explained;
}
