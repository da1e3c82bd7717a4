import { defineFeature } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { endOtherSessions } from './end-other-sessions.ts';
import { endSession } from './end-session.ts';
import { listSessions } from './list-sessions.ts';
import { logOut } from './logout.ts';
import { refreshSession } from './refresh-session.ts';

/** Sessions: refreshed, listed and ended. They are opened by sign-in. */
export const sessions = defineFeature<UserContext>({
  anyone: [refreshSession],
  signedIn: [listSessions, endSession, endOtherSessions, logOut],
});
