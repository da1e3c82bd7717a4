import { randomUUID } from 'node:crypto';
import Fastify from 'fastify';
import type { Kysely } from 'kysely';
import {
  accessTokens,
  createPublicKeyRing,
  loadPublicKeys,
  type Role,
  type ServiceTokens,
  type SigningKey,
} from '@muniment/security';
import type { Rows } from './database/rows.ts';
import type { Teardown } from './teardown.ts';

export interface SignInOptions {
  role?: Role;
  userId?: string;
  sessionId?: string;
}

export interface SignedInUser {
  userId: string;
  sessionId: string;
  email: string;
  role: Role;
  sessionExpiresAt: Date;
}

export interface TokenIssuer {
  /** @returns an access token for the session */
  issue(user: SignedInUser): string;
  /** @returns a token of the user service for one call of another service */
  issueCall: ServiceTokens['issue'];
}

const DAY_MS = 86_400_000;

/** Inserts an account and its session, as a login leaves them. */
export async function signIn(
  rows: Rows,
  { role = 'customer', userId = randomUUID(), sessionId = randomUUID() }: SignInOptions = {},
): Promise<SignedInUser> {
  const email = `${userId}@example.com`;
  const sessionExpiresAt = new Date(Date.now() + DAY_MS);
  await rows(
    `insert into identity.users (id, type, email, email_key, password_hash)
     values ($1, $2, $3, $3, 'hash')`,
    [userId, role, email],
  );
  await rows(
    `insert into identity.sessions (id, user_id, idle_timeout, expires_at)
     values ($1, $2, interval '1 day', $3)`,
    [sessionId, userId, sessionExpiresAt],
  );
  return { userId, sessionId, email, role, sessionExpiresAt };
}

/** Issues access tokens as the user service does. */
export async function createTokenIssuer(
  t: Teardown,
  db: Kysely<unknown>,
  { key, ttlSeconds = 900 }: { key: SigningKey; ttlSeconds?: number },
): Promise<TokenIssuer> {
  const keys = createPublicKeyRing({ load: () => loadPublicKeys(db) });
  const app = Fastify();
  await app.register(accessTokens, {
    keys,
    issuer: 'muniment',
    audience: 'muniment-api',
    signing: { key, ttlSeconds },
  });
  await app.ready();
  t.teardown(async () => {
    keys.close();
    await app.close();
  });
  return {
    issue: (user) => app.accessTokens.issue(user).token,
    issueCall: app.serviceTokens.issue,
  };
}
