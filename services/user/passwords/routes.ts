import { defineFeature } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { changePassword } from './change-password.ts';
import { forgotPassword } from './forgot-password.ts';
import { resetPassword } from './reset-password.ts';

/** Passwords: changed by their owner, or reset by mail. */
export const passwords = defineFeature<UserContext>({
  anyone: [forgotPassword, resetPassword],
  signedIn: [changePassword],
});
