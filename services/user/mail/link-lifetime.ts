import type { Config } from '../config.ts';
import type { ClaimedMail } from './mail-outbox-queries.ts';

type Lifetimes = Pick<Config, 'RESET_TOKEN_TTL_S' | 'INVITATION_TOKEN_TTL_S' | 'EMAIL_TOKEN_TTL_S'>;

/** Seconds for which a mail's link is good once it is sent. */
export function linkLifetime(
  config: Lifetimes,
  { template, reset_token }: Pick<ClaimedMail, 'template' | 'reset_token'>,
): number {
  if (!reset_token) return config.EMAIL_TOKEN_TTL_S;
  return template === 'invitation' ? config.INVITATION_TOKEN_TTL_S : config.RESET_TOKEN_TTL_S;
}
