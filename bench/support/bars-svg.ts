export interface Bar {
  readonly label: string;
  readonly value: number;
}

const ROW = 22;
const LABEL_WIDTH = 280;
const BAR_WIDTH = 480;

/** A plot of horizontal bars on a logarithmic scale from 0.1, as SVG text. */
export function barsSvg(title: string, bars: readonly Bar[]): string {
  const most = Math.max(1, ...bars.map(({ value }) => value));
  const widthOf = (value: number): number =>
    (Math.max(0, Math.log10(Math.max(value, 0.1)) + 1) / (Math.log10(most) + 1)) * BAR_WIDTH;
  const lines = bars.map(({ label, value }, index) => {
    const y = 40 + index * ROW;
    return (
      `<text x="${LABEL_WIDTH - 8}" y="${y + 14}" text-anchor="end">${escaped(label)}</text>` +
      `<rect x="${LABEL_WIDTH}" y="${y + 2}" width="${widthOf(value).toFixed(1)}" height="${ROW - 6}" fill="#3b6ea5"/>` +
      `<text x="${LABEL_WIDTH + widthOf(value) + 6}" y="${y + 14}">${value.toFixed(1)}</text>`
    );
  });
  const height = 50 + bars.length * ROW;
  const width = LABEL_WIDTH + BAR_WIDTH + 70;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="12">` +
    `<rect width="100%" height="100%" fill="white"/><text x="12" y="22" font-size="15">${escaped(title)} (log scale)</text>` +
    `${lines.join("")}</svg>\n`
  );
}

function escaped(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
}
