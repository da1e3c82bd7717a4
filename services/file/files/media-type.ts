import { isUtf8 } from 'node:buffer';
import { fileTypeFromBuffer } from 'file-type';

/** Sniffed bytes: enough to tell Office documents from other ZIP archives. */
export const SNIFF_BYTES = 16 * 1024;
const UNKNOWN = 'application/octet-stream';

/** Text has no magic bytes, so these harmless types are believed. */
const PASSIVE_TEXT = new Set([
  'text/plain',
  'text/csv',
  'text/markdown',
  'text/tab-separated-values',
  'application/json',
  'application/x-ndjson',
  'text/calendar',
  'text/vcard',
]);
// What a browser sniffs as a page (WHATWG MIME Sniffing §7.1).
const MARKUP =
  /^\s*(?:<!--|<!doctype html|<(?:html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p)[\s>])/i;
const SVG = /<svg[\s>]/i;
const XML = /^\s*<\?xml\s/i;
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000e-\u001a\u001c-\u001f]/;

function isText(sample: Buffer, isPart: boolean): boolean {
  // The sample may cut its last character in two.
  for (let cut = 0; cut <= (isPart ? 3 : 0); cut += 1) {
    const whole = sample.subarray(0, sample.length - cut);
    if (isUtf8(whole)) return !CONTROL.test(whole.toString('latin1'));
  }
  return false;
}

/**
 * The media type of a file by its first SNIFF_BYTES.
 * @param declared the client's lower-case type, used for passive text only
 */
export async function sniffMediaType(head: Buffer, declared: string | undefined): Promise<string> {
  const sample = head.subarray(0, SNIFF_BYTES);
  if (sample.length === 0) return UNKNOWN;
  const known = await fileTypeFromBuffer(sample).catch(() => undefined);
  const text =
    known === undefined || known.mime === 'application/xml'
      ? sample.toString('utf8', 0, 1_024)
      : '';
  if (known?.mime === 'application/xml' || XML.test(text))
    return SVG.test(text) ? 'image/svg+xml' : 'application/xml';
  if (known) return known.mime;
  if (!isText(sample, head.length > sample.length)) return UNKNOWN;
  if (SVG.test(text)) return 'image/svg+xml';
  if (MARKUP.test(text.replace(/^\uFEFF/, ''))) return 'text/html';
  return declared !== undefined && PASSIVE_TEXT.has(declared) ? declared : 'text/plain';
}

// What a browser might run in this origin, should every other header fail.
const ACTIVE =
  /^(?:text\/(?:html|xml|xsl|css|javascript|ecmascript|vbscript|cache-manifest)|application\/(?:xhtml\+xml|xml|javascript|ecmascript|x-shockwave-flash|xslt\+xml|mathml\+xml|wasm)|image\/svg\+xml|multipart\/.*|message\/.*|.*\+xml)$/;
const FORM = /^[a-z0-9][a-z0-9!#$&^_.+-]*\/[a-z0-9][a-z0-9!#$&^_.+-]*$/;

/** The served Content-Type: the file's own, unless browsers might execute it. */
export function servedMediaType(mediaType: string): string {
  if (!FORM.test(mediaType) || ACTIVE.test(mediaType)) return UNKNOWN;
  return mediaType.startsWith('text/') ? `${mediaType}; charset=utf-8` : mediaType;
}
