import { defineFeature } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { getJwks } from './get-jwks.ts';

/** Signing keys: published here, rotated by schedule or by an operator. */
export const signingKeys = defineFeature<UserContext>({ anyone: [getJwks] });
