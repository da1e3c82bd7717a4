import type { KeyedHash } from '../search/search-terms.ts';

/** Names a tenant's subject by a keyed hash: the caller's id may be an address or a name. */
export const subjectName = (keyedHash: KeyedHash, tenantId: string, subject: string): string =>
  `app:${keyedHash('app-subject', tenantId, subject).toString('base64url')}`;
