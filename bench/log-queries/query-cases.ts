import { createHash } from 'node:crypto';
import type pg from 'pg';
import { parseFilter, type FilterQuery } from '../../services/audit/trail/filter.ts';
import type { LogQuery } from '../../services/audit/trail/log-query.ts';

/** The columns that the cases filter by. */
interface EventRow {
  id: string;
  user_id: string;
  session_id: string;
  request_id: string;
  timestamp: Date;
}

/** Finds the event at an index of the log. @throws when there is none */
export async function findEvent(superuser: pg.Client, index: number): Promise<EventRow> {
  const { rows } = await superuser.query<EventRow>(
    `select e.* from audit.events e join audit.sealed s on s.event_id = e.id
    where s.index = $1`,
    [index],
  );
  if (!rows[0]) throw new Error(`The log has no event at index ${index}.`);
  return rows[0];
}

export function createQuery(given: FilterQuery, more: Partial<LogQuery> = {}): LogQuery {
  return { filter: parseFilter(given), visibility: { personal: 'all' }, terms: [], ...more };
}

/** The pages that are measured, by name. A second value is the id that the page ends before. */
export function listCases(middle: EventRow): Record<string, [LogQuery, string?]> {
  const query = createQuery;
  const hour = (n: number): string =>
    new Date(middle.timestamp.getTime() + n * 3_600_000).toISOString();
  const ip = createHash('sha256').update('ip31000').digest().subarray(0, 16);
  const own = {
    visibility: { concerning: middle.user_id, personal: { subject: middle.user_id } },
  } as const;
  return {
    'first page': [query({})],
    'deep page': [query({}), middle.id],
    'common action': [query({ action: 'LOGIN_SUCCESS' })],
    'rare action': [query({ action: 'RARE_ACTION' })],
    'action that is not there': [query({ action: 'NONE' })],
    'action prefix, common': [query({ action: 'FILE_*' })],
    'action prefix, rare': [query({ action: 'RARE_*' })],
    failures: [query({ outcome: 'failure' })],
    'failures, deep': [query({ outcome: 'failure' }), middle.id],
    'rare source': [query({ source: 'audit' })],
    'rare resource': [query({ resource: 'file-399999' })],
    'rare resource type': [query({ resource_type: 'contract' })],
    session: [query({ session_id: middle.session_id })],
    request: [query({ request_id: middle.request_id })],
    actor: [query({ actor: middle.user_id })],
    'actor and action': [query({ actor: middle.user_id, action: 'LOGIN_FAIL' })],
    tenant: [query({ tenant_id: 'tenant-77' })],
    address: [query({}, { terms: [ip] })],
    'address, deep': [query({}, { terms: [ip] }), middle.id],
    'an hour': [query({ from: hour(0), to: hour(1) })],
    'rare action in a week': [query({ action: 'RARE_ACTION', from: hour(0), to: hour(168) })],
    own: [query({}, own)],
    'own, of an action': [query({ action: 'LOGIN_FAIL' }, own)],
  };
}
