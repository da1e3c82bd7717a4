import { Type, type Static } from 'typebox';
import { dateTime, uuid } from '@muniment/server';

/** A notice that no message asked for. Answers never have `event`. */
export const tokenExpiringSchema = Type.Object({
  event: Type.Literal('token_expiring'),
  token_id: uuid,
  expires_at: dateTime,
});
export type TokenExpiring = Static<typeof tokenExpiringSchema>;

/** Those of RFC 6455 §7.4.1 and its registry; from 4000 on the codes are ours. */
export const CLOSE_CODES = {
  unsupportedData: 1003,
  policyViolation: 1008,
  serviceRestart: 1012,
  /** As HTTP's 401. The reason is `token_expired` or `token_revoked`. */
  tokenEnded: 4401,
} as const;

export type TokenEnd = 'token_expired' | 'token_revoked';
