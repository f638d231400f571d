// `node save-torrent.ts URL PATH`: the .torrent of the one bundle that the central server at URL has.
import { writeFileSync } from "node:fs";

const [url, path] = process.argv.slice(2);
const { bundles } = (await get("api/v1/status").then((response) => response.json())) as {
  readonly bundles: readonly { readonly infoHash: string }[];
};
if (bundles.length !== 1) throw new Error(`expected one bundle, got ${bundles.length}`);
writeFileSync(path!, await (await get(`torrents/${bundles[0]!.infoHash}.torrent`)).bytes());

async function get(name: string): Promise<Response> {
  const response = await fetch(`${url}/.prsync/${name}`);
  if (response.status !== 200) throw new Error(`${name}: status ${response.status}`);
  return response;
}
