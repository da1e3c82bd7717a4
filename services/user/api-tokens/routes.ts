import { defineFeature } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { createApiToken } from './create-api-token.ts';
import { createServiceAccount } from './create-service-account.ts';
import { introspectToken } from './introspect-token.ts';
import { listApiTokens } from './list-api-tokens.ts';
import { listServiceAccounts } from './list-service-accounts.ts';
import { parseForms } from './parse-forms.ts';
import { revokeApiToken } from './revoke-api-token.ts';

/** API tokens, service accounts and introspection. */
export const apiTokens = defineFeature<UserContext>({
  signedIn: [createApiToken, listApiTokens, revokeApiToken],
  administrators: [createServiceAccount, listServiceAccounts, parseForms(introspectToken)],
});
