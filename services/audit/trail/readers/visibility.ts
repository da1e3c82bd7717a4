import type { Json } from '@muniment/audit-events';
import type { Reader } from './reader.ts';

/** The part of the trail that a reader sees, as the queries take it. */
export interface Visibility {
  /** Only events that this user did or is the subject of. */
  concerning?: string;
  /** Only what a tenant's own services recorded. */
  within?: { tenant_id: string; source: 'app' };
  /** Whose personal values are shown among the events seen. */
  personal: { subject: string } | 'all';
}

export function visibilityOf(reader: Reader): Visibility {
  switch (reader.kind) {
    case 'user':
      return { concerning: reader.userId, personal: { subject: reader.userId } };
    case 'all':
      return { personal: 'all' };
    case 'viewer':
      return { within: { tenant_id: reader.tenantId, source: 'app' }, personal: 'all' };
  }
}

/**
 * What a cursor is bound to. For a viewer it is the tenant: tokens live for minutes, and the next
 * one must continue the list.
 */
export const readerIdentity = (reader: Reader): Json =>
  reader.kind === 'viewer' ? { kind: reader.kind, tenantId: reader.tenantId } : { ...reader };

export const seesPersonal = ({ personal }: Visibility, subject: string | null): boolean =>
  personal === 'all' || personal.subject === subject;
