import type { RequestEvent } from '@muniment/server';
import { aboutUser } from '../users/user-events.ts';

/** Without the id of the other system, which may be personal. */
export const userImported = (
  user: { id: string; type: string; email: string },
  source: string,
): RequestEvent => ({
  action: 'USER_CREATED',
  subject: { userId: user.id },
  personal: { email: user.email },
  ...aboutUser(user.id),
  metadata: { type: user.type, by: 'import', source },
});
