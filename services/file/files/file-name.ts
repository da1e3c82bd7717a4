import { NameInvalid } from '../errors.ts';

const MAX_BYTES = 255;
// Controls, separators, and direction marks that show «exe.fdp» as «pdf.exe». Joiners are allowed:
// emoji and several scripts need them.
// oxlint-disable-next-line no-control-regex
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

/** A file name as stored: NFC, 1 to 255 bytes, no control characters. @throws NameInvalid */
export function checkFileName(given: string): string {
  if (!given.isWellFormed()) throw new NameInvalid('is not well-formed Unicode');
  if (FORBIDDEN.test(given)) throw new NameInvalid('has control characters');
  const name = given.normalize('NFC').trim();
  if (name === '') throw new NameInvalid('is empty');
  if (name === '.' || name === '..') throw new NameInvalid('is a path, not a name');
  if (/[/\\]/.test(name)) throw new NameInvalid('has path separators');
  if (Buffer.byteLength(name) > MAX_BYTES)
    throw new NameInvalid(`is longer than ${MAX_BYTES} bytes`);
  return name;
}

/**
 * The last part of a form's `filename`, since clients send whole paths (RFC 7578 §4.2).
 * @throws NameInvalid
 */
export function nameOfUpload(filename: string): string {
  const lastSeparator = Math.max(filename.lastIndexOf('/'), filename.lastIndexOf('\\'));
  return checkFileName(filename.slice(lastSeparator + 1));
}
