import { repeat } from '@muniment/server';
import type { UserServer } from './user-server.ts';
import { forgetOldTokens, wipeSealedChildren } from './queries/refresh-tokens.ts';
import { forgetOldSessions } from './queries/sessions.ts';

const SEALED_PAUSE_MS = 5_000;
const OLD_PAUSE_MS = 10 * 60_000;

/** Wipes what must not lie around: sealed tokens after seconds, tokens and sessions that ended after days. Every replica may do it; nothing is done twice. */
export function keepHouse({ background, db, log }: UserServer): void {
  const failed = (error: unknown): void => log.warn({ err: error }, 'upkeep of identity failed; it is tried again');
  background(repeat('sealed refresh tokens', SEALED_PAUSE_MS, () => wipeSealedChildren(db), failed));
  background(repeat('old sessions', OLD_PAUSE_MS, async () => {
    await forgetOldTokens(db);
    await forgetOldSessions(db);
  }, failed));
}
