import type { Principal, RevalidatePrincipal } from '@muniment/security';
import type { TokenEnd, TokenExpiring } from './server-messages.ts';

/** So long before its end a client is told to get the next token. */
const NOTICE_MS = 60_000;
/** A socket with more tokens is watched by those used last, so that memory stays bounded. */
const MAX_TOKENS = 16;

export interface WatchedTokens {
  /** Watches the token of a message. */
  add(owner: Principal): void;
  /**
   * Looks at each token again. Never rejects: while nobody can tell, no token has ended.
   * @returns why the last token ended, once none is left of those that were used
   */
  check(): Promise<TokenEnd | undefined>;
  /** Whether a token is left, as of the last check. */
  hasAny(): boolean;
}

interface WatchedToken {
  owner: Principal;
  isAnnounced: boolean;
}

/** The API tokens that were used on one socket and have not ended. */
export function watchTokens(
  revalidate: RevalidatePrincipal,
  onExpiring: (notice: TokenExpiring) => void,
): WatchedTokens {
  const tokens = new Map<string, WatchedToken>();

  function announce(id: string, token: WatchedToken): void {
    const { expiresAt } = token.owner;
    if (token.isAnnounced || expiresAt.getTime() - Date.now() > NOTICE_MS) return;
    token.isAnnounced = true;
    const expires_at = expiresAt.toISOString();
    onExpiring({ event: 'token_expiring', token_id: id, expires_at });
  }

  /** @returns why it has ended */
  async function checkToken(id: string, token: WatchedToken): Promise<TokenEnd | undefined> {
    const isExpired = Date.now() >= token.owner.expiresAt.getTime();
    const current = isExpired ? undefined : await revalidate(token.owner);
    // A message may have used it meanwhile.
    const known = tokens.get(id);
    if (!known) return undefined;
    if (!current) {
      tokens.delete(id);
      return isExpired || Date.now() >= known.owner.expiresAt.getTime()
        ? 'token_expired'
        : 'token_revoked';
    }
    known.owner = current.principal;
    announce(id, known);
    return undefined;
  }

  return {
    add(owner) {
      const id = owner.apiToken?.id;
      if (id === undefined) return;
      const isAnnounced = tokens.get(id)?.isAnnounced ?? false;
      tokens.delete(id);
      tokens.set(id, { owner, isAnnounced });
      const [oldest] = tokens.keys();
      if (tokens.size > MAX_TOKENS && oldest !== undefined) tokens.delete(oldest);
    },
    async check() {
      const checked = [...tokens].map(([id, token]) => checkToken(id, token));
      const outcomes = await Promise.allSettled(checked);
      const ends = outcomes.flatMap((one) =>
        one.status === 'fulfilled' && one.value !== undefined ? [one.value] : [],
      );
      return tokens.size === 0 ? ends.at(-1) : undefined;
    },
    hasAny: () => tokens.size > 0,
  };
}
