/** What an access log tells of a request that was answered. Texts are as they came: whoever asks chose their bytes. */
export interface AnsweredRequest {
  /** Of the customer. */
  readonly address: string;
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly httpVersion: string;
  /** 499: the customer left before an answer was begun, as nginx has it. */
  readonly status: number;
  /** Without the head. */
  readonly bodyBytes: number;
  readonly referer: string | undefined;
  readonly userAgent: string | undefined;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** A line of the combined format (Apache, nginx), without an end of line. @param stamp of {@link accessStamp} */
export function accessLine(request: AnsweredRequest, stamp: string): string {
  const { address, method, target, httpVersion, status, bodyBytes, referer, userAgent } = request;
  const asked = `${plain(method)} ${plain(target)} HTTP/${httpVersion}`;
  return `${address} - - [${stamp}] "${asked}" ${status} ${bodyBytes} "${quoted(referer)}" "${quoted(userAgent)}"`;
}

/** "22/Nov/2026:05:30:48 +0000", always UTC: a log has no hour twice. */
export function accessStamp(wallMs: number): string {
  const [date = "", time = ""] = new Date(wallMs).toISOString().split(/[T.]/);
  const [year, month, day] = date.split("-");
  return `${day}/${MONTHS[Number(month) - 1]}/${year}:${time} +0000`;
}

function quoted(text: string | undefined): string {
  return text === undefined || text === "" ? "-" : plain(text);
}

/** As nginx: what could end a field or a line, drive a terminal or is no ASCII becomes `\xHH`. Texts hold a byte per character, as Node gives heads. */
function plain(text: string): string {
  if (!/[^ !#-[\]-~]/.test(text)) return text;
  return text.replace(/[^ !#-[\]-~]/g, (character) => {
    const code = character.charCodeAt(0) & 0xff;
    return `\\x${code.toString(16).toUpperCase().padStart(2, "0")}`;
  });
}
