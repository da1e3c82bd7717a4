import { NameInvalid } from '../errors.ts';

const MAX_BYTES = 255;
// C0 and C1 controls and DEL; line and paragraph separators; the characters that reverse the direction of text, by which
// «exe.fdp» is shown as «pdf.exe». Joiners stay: emoji and several scripts need them.
// oxlint-disable-next-line no-control-regex
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

/**
 * A file's name as it is kept: NFC, 1 to 255 bytes of UTF-8, without controls, NUL or halves of surrogate pairs.
 * @throws NameInvalid saying in which way it is not
 */
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
 * The name that a form's `filename` gives. Clients put whole paths there (`C:\fakepath\a.txt`, `folder/a.txt`, `../../etc/passwd`): such a
 * path is reduced to its last part (RFC 7578 §4.2), and what then is no name is refused.
 * @throws NameInvalid
 */
export function nameOfUpload(filename: string): string {
  return checkFileName(
    filename.slice(Math.max(filename.lastIndexOf('/'), filename.lastIndexOf('\\')) + 1),
  );
}
