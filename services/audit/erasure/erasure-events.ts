import type { NewEvent } from '@muniment/audit-events';
import type { RequestEvent } from '@muniment/server';

/** An administrator asked for the erasure of a tenant's subject. */
export const tenantSubjectErased = (
  name: string,
  { tenantId, searchTerms }: { tenantId: string; searchTerms: number },
): RequestEvent => ({
  action: 'SUBJECT_ERASED',
  tenant_id: tenantId,
  resource: name,
  resource_type: 'subject',
  metadata: { search_terms: searchTerms },
});

/** The erasure of a tenant's subject was lost with a restored database, and is repeated. */
export const subjectErasedAgain = (name: string, searchTerms: number): NewEvent => ({
  action: 'SUBJECT_ERASED',
  subject: { userId: name },
  personal: {},
  resource: name,
  resource_type: 'subject',
  request_id: 'erasure-journal',
  metadata: { search_terms: searchTerms, reason: 'erasure_replayed' },
});

/** No request names this event; USER_DELETED says who ordered the erasure. */
export const userErased = (
  userId: string,
  { searchTerms, quarantined }: { searchTerms: number; quarantined: number },
): NewEvent => ({
  action: 'SUBJECT_ERASED',
  subject: { userId },
  personal: {},
  resource: userId,
  resource_type: 'user',
  request_id: `erasure-${userId}`,
  metadata: { search_terms: searchTerms, quarantined },
});
