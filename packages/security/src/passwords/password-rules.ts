import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  AdminPasswordLength,
  PasswordCommon,
  PasswordLength,
  PasswordMalformed,
} from '../errors.ts';
import { isPrivileged, type Role } from '../permissions.ts';

/** Code points. */
const MIN_LENGTH = 8;
/** NIST SP 800-63B-4 §3.1.1.2 requires 15 where a password is the only factor. */
const ADMIN_MIN_LENGTH = 15;
const MAX_LENGTH = 128;
/** UTF-16 units before normalisation. NFKC of a megabyte takes too long. */
const MAX_RAW_LENGTH = 2048;
/** Shorter context words occur in too many good passwords. */
const MIN_CONTEXT_WORD_LENGTH = 4;

export interface PasswordOwner {
  role: Role;
  email: string;
}

/** Checks a new password. @returns the normal form, which is hashed */
export type PasswordRules = (password: string, owner: PasswordOwner) => string;

const lengthOf = (text: string): number => Array.from(text).length;

/**
 * The hashed form, NFKC: the same from any keyboard or system.
 * @throws PasswordLength, PasswordMalformed (all lone surrogates would hash alike, as U+FFFD)
 */
export function normalizePassword(password: string): string {
  if (password.length > MAX_RAW_LENGTH) throw new PasswordLength();
  if (!password.isWellFormed()) throw new PasswordMalformed();
  const normalized = password.normalize('NFKC');
  const length = lengthOf(normalized);
  if (length < MIN_LENGTH || length > MAX_LENGTH) throw new PasswordLength();
  return normalized;
}

/** Whether a password suits a role that its owner may have received later. */
export const isLongEnough = (password: string, role: Role): boolean =>
  !isPrivileged(role) || lengthOf(password.normalize('NFKC')) >= ADMIN_MIN_LENGTH;

const comparable = (text: string): string => text.normalize('NFKC').toLowerCase();

/**
 * Reads the 17,950 long enough passwords of zxcvbn-ts' list (MIT), 1.2 MB; ASVS 5 §6.2.4 asks
 * 3,000.
 * An import would keep the other 31,000 in the module cache.
 */
function readCommonPasswords(): ReadonlySet<string> {
  const file = fileURLToPath(import.meta.resolve('@zxcvbn-ts/language-common/src/passwords.json'));
  const listed = JSON.parse(readFileSync(file, 'utf8')) as string[];
  return new Set(listed.filter(({ length }) => length >= MIN_LENGTH).map(comparable));
}

const lettersOf = (text: string): string => comparable(text).replaceAll(/[^\p{L}\p{M}]/gu, '');

/** The first guesses of an attacker who knows the address or the product. */
function contextWords(texts: readonly string[]): Set<string> {
  const words = texts.flatMap((text) => [text, ...text.split('@'), ...text.split(/[\s@._+-]+/)]);
  return new Set(words.map(lettersOf).filter((word) => lengthOf(word) >= MIN_CONTEXT_WORD_LENGTH));
}

/**
 * Creates the rules for new passwords (NIST SP 800-63B-4 §3.1.1.2): long, not common, no context
 * word.
 * They throw PasswordLength, AdminPasswordLength, PasswordMalformed, PasswordCommon.
 * @param names of the product and the service, as users know them
 */
export function createPasswordRules(names: readonly string[] = []): PasswordRules {
  const common = readCommonPasswords();
  return (password, { role, email }) => {
    const normalized = normalizePassword(password);
    if (!isLongEnough(normalized, role)) throw new AdminPasswordLength();
    if (common.has(comparable(normalized))) throw new PasswordCommon();
    if (contextWords([...names, email]).has(lettersOf(normalized))) throw new PasswordCommon();
    return normalized;
  };
}
