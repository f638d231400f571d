import { gzipSync } from "node:zlib";

/** Text that compresses about as source code does, the same for the same seed. */
export function sourceText(lengthBytes: number, seed: number): Buffer {
  const bytes = Buffer.alloc(lengthBytes);
  for (let at = 0, state = seed; at < lengthBytes;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    at += bytes.write(state % 3 === 0 ? "const bytes = await " : state.toString(36), at);
  }
  return bytes;
}

/** The next version of a text: a few lines in so many places are other ones, and some are longer. */
export function nextVersion(text: Buffer, places: number): Buffer {
  const parts: Buffer[] = [];
  const step = Math.floor(text.length / places);
  for (let place = 0; place < places; place++) {
    const end = place === places - 1 ? text.length : (place + 1) * step;
    parts.push(text.subarray(place * step, end), Buffer.from(`/* changed in place ${place} */\n`));
  }
  return Buffer.concat(parts);
}

/** As `npm pack` makes it: zlib at its slowest, without name and time. */
export function npmGzip(bytes: Buffer): Buffer {
  return gzipSync(bytes, { level: 9 });
}
