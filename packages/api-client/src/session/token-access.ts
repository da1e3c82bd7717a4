import type { Access } from '../core/send-request.ts';

/** An API token or a viewer token: it is never refreshed. */
export function createTokenAccess(token: string): Access {
  const credentials = 'omit';
  return {
    credentials,
    open: async () => ({ authorization: `Bearer ${token}`, credentials }),
    renew: async () => false,
  };
}
