import { defineFeature } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { changeEmail } from './change-email.ts';
import { confirmEmail } from './confirm-email.ts';
import { deleteAccount } from './delete-account.ts';
import { getProfile } from './get-profile.ts';
import { updateProfile } from './update-profile.ts';

/** The caller's own account: profile, e-mail address, deletion. */
export const account = defineFeature<UserContext>({
  anyone: [confirmEmail],
  signedIn: [getProfile, updateProfile, changeEmail, deleteAccount],
});
