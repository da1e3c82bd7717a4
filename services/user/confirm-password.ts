import type { RequestContext } from '@muniment/server';
import { principalOf, unauthenticated } from '@muniment/security';
import type { FastifyRequest } from 'fastify';
import type { UserServer } from './user-server.ts';
import { PasswordIncorrect } from './errors.ts';
import { findUserById } from './queries/users.ts';
import type { User } from './tables.ts';

/**
 * Has the signed-in caller prove the password again before something that cannot be undone (OWASP ASVS 7.5.1). A wrong one is recorded as
 * a failed `action`.
 * @returns the user, whose hash is the one that was checked: `lockUnchangedUser` takes it
 * @throws PasswordIncorrect (403: the session stays good, unlike with a 401)
 */
export async function confirmPassword(
  { db, passwords, recordFor }: UserServer, request: FastifyRequest & RequestContext, password: string, action: string,
): Promise<User & { password_hash: string }> {
  const { id } = principalOf(request);
  const user = await findUserById(db, id);
  if (!user) throw unauthenticated();
  if (user.password_hash !== null && (await passwords.verify(user.password_hash, password)).ok) return { ...user, password_hash: user.password_hash };
  await recordFor(request, { action, outcome: 'failure', error: 'password_incorrect', resource: id, resource_type: 'user' });
  throw new PasswordIncorrect();
}
