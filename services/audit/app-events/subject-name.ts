import type { KeyedHash } from '../search/search-terms.ts';

/**
 * The key name of a tenant's subject. The caller's id may be an address or a name, so the log gets its
 * keyed hash only.
 */
export const subjectName = (keyedHash: KeyedHash, tenantId: string, subject: string): string =>
  `app:${keyedHash('app-subject', tenantId, subject).toString('base64url')}`;
