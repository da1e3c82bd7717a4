import { defineFeature } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { logInUser } from './login.ts';
import { registerUser } from './register.ts';

/** Registration and login by password. */
export const signIn = defineFeature<UserContext>({ anyone: [registerUser, logInUser] });
