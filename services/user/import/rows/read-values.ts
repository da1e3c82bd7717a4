import { refuseField } from './row.ts';

/** CSV has only texts, where an empty one is none. */
const isNone = (value: unknown): boolean => value === undefined || value === null || value === '';

/** Text as it is. @throws RowRefused */
export function readText(name: string, value: unknown, maxLength: number): string | null {
  if (isNone(value)) return null;
  if (typeof value !== 'string') throw refuseField(name, 'must be a text');
  // As JSON Schema counts: code points.
  if (value.length > maxLength && Array.from(value).length > maxLength)
    throw refuseField(name, `must have at most ${maxLength} characters`);
  // A source's own JSON, inside a field, is not checked before.
  if (value.includes('\0')) throw refuseField(name, 'has a NUL character');
  if (!value.isWellFormed()) throw refuseField(name, 'has half of a surrogate pair');
  return value;
}

// oxlint-disable-next-line no-control-regex -- they would break the lines of forms and mails
const CONTROL = /[\u0000-\u001f]/;

/** Text of one line. @throws RowRefused */
export function readLine(name: string, value: unknown, maxLength: number): string | null {
  const text = readText(name, value, maxLength);
  if (text !== null && CONTROL.test(text)) throw refuseField(name, 'has a control character');
  return text;
}

/** One of some words, or something else that has no blanks around it. @throws RowRefused */
export function readWord(name: string, value: unknown, maxLength: number): string | null {
  const word = readLine(name, value, maxLength)?.trim();
  return word === undefined || word === '' ? null : word;
}

/** Whether something is so; absent means no. @throws RowRefused */
export function readBoolean(name: string, value: unknown): boolean {
  const flag = readFlag(value);
  if (flag === undefined) throw refuseField(name, 'must be true or false');
  return flag;
}

const YES = new Set<unknown>([true, 'true', 't', '1', 'yes']);
const NO = new Set<unknown>([false, 'false', 'f', '0', 'no']);

/** Whether a value is a yes or no; undefined for others. */
export function readFlag(value: unknown): boolean | undefined {
  if (isNone(value)) return false;
  const plain = typeof value === 'string' ? value.toLowerCase() : value;
  return YES.has(plain) ? true : NO.has(plain) ? false : undefined;
}

/** PostgreSQL writes a blank for the T, and zones without minutes. */
const TIME = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(Z|[+-]\d\d(?::?\d\d)?)$/;

const isDay = (day?: string): boolean =>
  day === undefined || new Date(`${day}T00:00:00Z`).toISOString().startsWith(day);

/** A time in ISO 8601, PostgreSQL's form, or as milliseconds. @throws RowRefused */
export function readTime(name: string, value: unknown): Date | null {
  if (isNone(value)) return null;
  const [, day, time, zone = ''] = TIME.exec(String(value)) ?? [];
  const offset = zone.length === 3 ? `${zone}:00` : zone.replace(/^([+-]\d\d)(\d\d)$/, '$1:$2');
  const date =
    day !== undefined
      ? new Date(`${day}T${time}${offset}`)
      : /^\d{12,14}$/.test(String(value))
        ? new Date(Number(value))
        : undefined;
  // PostgreSQL has no year 0, and `Date` takes 30 February for 1 March.
  if (!date || Number.isNaN(date.getTime()) || date.getUTCFullYear() < 1 || !isDay(day))
    throw refuseField(name, 'must be a time in ISO 8601 with a zone');
  if (date.getTime() > Date.now()) throw refuseField(name, 'must not be in the future');
  return date;
}

/** A yes means now; a time means since then. @throws RowRefused */
export function readProof(name: string, value: unknown): Date | null {
  const flag = readFlag(value);
  if (flag === undefined) return readTime(name, value);
  return flag ? new Date() : null;
}
