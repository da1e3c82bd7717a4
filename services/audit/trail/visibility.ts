import type { Json } from '@muniment/audit-events';
import type { Reader } from './reader.ts';

/** The part of the trail that a reader sees, as the queries take it. */
export interface Visibility {
  /** Only what concerns this user: what they did, and what they are the subject of. */
  concerning?: string;
  /** Only what a tenant's own services recorded. */
  within?: { tenant_id: string; source: 'app' };
  /** Whose personal values are shown: one subject's or everybody's among the events seen. */
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

/** What tells one reader from another in a cursor. A viewer is its tenant, whose tokens live for minutes: a walk goes on with the next one. */
export function readerIdentity(reader: Reader): Json {
  return reader.kind === 'viewer'
    ? { kind: reader.kind, tenantId: reader.tenantId }
    : { ...reader };
}

export const seesPersonal = ({ personal }: Visibility, subject: string | null): boolean =>
  personal === 'all' || personal.subject === subject;
