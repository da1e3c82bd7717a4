import { passwordRefusal } from '@muniment/security';
import type { RequestContext } from '@muniment/server';
import type { UserContext } from '../context.ts';
import type { User } from '../tables.ts';
import { passwordRefused } from './password-events.ts';

interface NewPassword {
  user: Pick<User, 'id' | 'email' | 'type'>;
  password: string;
}

/**
 * Hashes a new password and records a refusal by the rules.
 * @throws PasswordLength, PasswordMalformed, PasswordCommon, Overloaded
 */
export async function hashNewPassword(
  { audit, passwords }: Pick<UserContext, 'audit' | 'passwords'>,
  request: RequestContext,
  { user, password }: NewPassword,
): Promise<string> {
  try {
    return await passwords.hash(password, { role: user.type, email: user.email });
  } catch (error) {
    const refusal = passwordRefusal(error);
    if (refusal) await audit.record(request, passwordRefused(user.id, refusal));
    throw error;
  }
}
