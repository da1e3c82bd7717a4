import { passwordRefusal } from '@muniment/security';
import type { RequestContext } from '@muniment/server';
import type { UserContext } from '../context.ts';
import type { User } from '../tables.ts';

/**
 * The hash of a user's new password. One that the rules refuse is recorded as a failed change.
 * @throws password_length, password_malformed, password_common, overloaded
 */
export async function hashNewPassword(
  { passwords, recordFor }: UserContext,
  request: RequestContext,
  user: Pick<User, 'id' | 'email' | 'type'>,
  password: string,
): Promise<string> {
  try {
    return await passwords.hash(password, { role: user.type, email: user.email });
  } catch (error) {
    const refusal = passwordRefusal(error);
    if (refusal)
      await recordFor(request, {
        action: 'PASSWORD_CHANGED',
        outcome: 'failure',
        error: refusal,
        subject: { userId: user.id },
        resource: user.id,
        resource_type: 'user',
      });
    throw error;
  }
}
