import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  AdminPasswordLength,
  PasswordCommon,
  PasswordLength,
  PasswordMalformed,
} from '../errors.ts';
import type { Role } from '../permissions.ts';

const minimumLength = 8;
/** NIST SP 800-63B-4 §3.1.1.2 asks it of a password that is the only factor; here of those who can do harm to everyone. */
const adminMinimumLength = 15;
const maximumLength = 128;
/** UTF-16 units before normalisation. NFKC joins at most a few code points into one, and a megabyte is not worth its time. */
const maximumRawLength = 2048;
/** A context word of fewer letters stands in too many good passwords that are digits otherwise. */
const shortestContextWord = 4;

/** Whose password it is to be. */
export type PasswordOwner = { role: Role; email: string };

const lengthOf = (text: string): number => Array.from(text).length;

/**
 * The form in which a password is hashed: NFKC, so that one typed on another keyboard or system is the same.
 * Throws `password_length` (8 to 128 code points) and `password_malformed` (lone surrogates: they would all be hashed as U+FFFD).
 */
export const normalizePassword = (password: string): string => {
  if (password.length > maximumRawLength) throw new PasswordLength();
  if (!password.isWellFormed()) throw new PasswordMalformed();
  const normalized = password.normalize('NFKC');
  const length = lengthOf(normalized);
  if (length < minimumLength || length > maximumLength) throw new PasswordLength();
  return normalized;
};

/** Whether a password, set perhaps before its owner had the role, is as long as the role asks for. */
export const isLongEnough = (password: string, role: Role): boolean =>
  role !== 'admin' || lengthOf(password.normalize('NFKC')) >= adminMinimumLength;

const comparable = (text: string): string => text.normalize('NFKC').toLowerCase();

/**
 * The most common passwords of leaks: of zxcvbn-ts' list (MIT) the 17,950 that are long enough, 1.2 MB as a set. ASVS 5 §6.2.4 asks for 3,000.
 * Read rather than imported: the module cache would keep the other 31,000 for ever.
 */
const readCommonPasswords = (): ReadonlySet<string> => {
  const file = fileURLToPath(import.meta.resolve('@zxcvbn-ts/language-common/src/passwords.json'));
  const listed = JSON.parse(readFileSync(file, 'utf8')) as string[];
  return new Set(listed.filter(({ length }) => length >= minimumLength).map(comparable));
};

const lettersOf = (text: string): string => comparable(text).replaceAll(/[^\p{L}\p{M}]/gu, '');

/** What anyone would try first who knows the address or the product: the whole of it, the local part, each of its words, the domain's name. */
const contextWords = (texts: readonly string[]): Set<string> => {
  const words = texts.flatMap((text) => [text, ...text.split('@'), ...text.split(/[\s@._+-]+/)]);
  return new Set(words.map(lettersOf).filter((word) => lengthOf(word) >= shortestContextWord));
};

/**
 * The rules for a new password (NIST SP 800-63B-4 §3.1.1.2): its length, and that it is neither one of the most common ones nor a context word
 * with nothing but digits and signs around it. Always the whole password is compared, never a part of it; what it is composed of is its owner's business.
 * @param names of the product and the service, as users know them
 */
export const createPasswordRules = (names: readonly string[] = []) => {
  const common = readCommonPasswords();

  /** @returns the normalised password. Throws `password_length`, `password_malformed`, `password_common`. */
  return (password: string, { role, email }: PasswordOwner): string => {
    const normalized = normalizePassword(password);
    if (!isLongEnough(normalized, role)) throw new AdminPasswordLength();
    if (common.has(comparable(normalized))) throw new PasswordCommon();
    if (contextWords([...names, email]).has(lettersOf(normalized))) throw new PasswordCommon();
    return normalized;
  };
};
