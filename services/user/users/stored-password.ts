import type { PasswordHasher } from '@muniment/security';
import type { User } from '../tables.ts';

type Hashes = Pick<User, 'password_hash' | 'foreign_hash'>;

/** The hash by which a user signs in: ours, or until the first login that of another system. */
export const storedHashOf = ({ password_hash, foreign_hash }: Hashes): string | null =>
  password_hash ?? foreign_hash;

/**
 * Checks a password. Costs one hash even without an account, so time reveals none (OWASP ASVS
 * 6.3.8).
 * @throws Overloaded
 */
export async function verifyStoredPassword(
  passwords: PasswordHasher,
  user: Hashes | undefined,
  password: string,
): ReturnType<PasswordHasher['verify']> {
  const { password_hash: own = null, foreign_hash: foreign = null } = user ?? {};
  if (own !== null) return passwords.verify(own, password);
  if (foreign !== null) return passwords.verifyForeign(foreign, password);
  return { ok: await passwords.verifyDummy(password), needsRehash: false };
}
