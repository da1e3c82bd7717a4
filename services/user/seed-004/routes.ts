import { defineFeature } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { getUser } from './get-user.ts';
import { listActiveSessions } from './list-active-sessions.ts';
import { logIn } from './login.ts';
import { logOutSession } from './logout.ts';
import { register } from './register.ts';

/** The paths under `/api/v1/auth` in the shapes of seed 004, with UUIDs. */
export const seed004 = defineFeature<UserContext>({
  anyone: [register, logIn],
  signedIn: [getUser, listActiveSessions, logOutSession],
});
