import { ID, RECORD } from '../log-queries/event-rows.ts';

/** Numbers of a generated range: the first, and the one after the last. */
export interface Span {
  from: number;
  to: number;
}

export interface Spread {
  /** Owner of all files, whom one event in a hundred concerns. */
  ownerId: string;
  startMs: number;
  stepMs: number;
}

/** The lane numbers that generated events continue. */
export const LANES = 'audit.bench_lanes';

/** Of three events one is of the file service. Each source counts its own without a gap. */
const SOURCE = `case when n % 3 = 0 then 'file' else 'user' end`;
const OWN_NUMBER = `case when n % 3 = 0 then n / 3 else n / 3 * 2 + n % 3 - 1 end`;

/** None of these belongs to a row, so the reconciler compares none. */
const ACTION = `
  case when n % 3 = 0 then 'FILE_DOWNLOAD'
    else (array['LOGIN_SUCCESS', 'TOKEN_REFRESHED', 'LOGIN_FAIL', 'LOGOUT'])[(n % 4 + 1)::int] end`;

/** Notes where each lane stands, and reserves the numbers of `count` events. */
export const reserveNumbers = (count: number): string => `
  create table ${LANES} as
    select source, lane, a.last_seq, more
    from shared.assigned_sequences a join (
      select ${SOURCE} as source, (${OWN_NUMBER}) % 16 as lane, count(*) as more
      from generate_series(0, ${count - 1}) n group by 1, 2) counted using (source, lane);
  update identity.outbox_lanes l set last_seq = l.last_seq + b.more
    from ${LANES} b where b.source = 'user' and b.lane = l.lane;
  update files.outbox_lanes l set last_seq = l.last_seq + b.more
    from ${LANES} b where b.source = 'file' and b.lane = l.lane`;

export const insertEvents = ({ from, to }: Span, { ownerId, startMs, stepMs }: Spread): string => `
  insert into audit.events
    (id, source, lane, seq, action, outcome, user_id, subject, resource, resource_type,
      session_id, request_id, timestamp, record)
  select id, source, lane, seq, action, outcome, actor::uuid, actor, resource, 'file',
    md5('s' || n / 20)::uuid, request, at, ${RECORD}
  from (
    select n, ${ID} as id, to_timestamp(ms / 1000.0) as at, m.source, b.lane,
      b.last_seq + own / 16 + 1 as seq, ${ACTION} as action,
      case when n % 50 = 1 then 'failure' else 'success' end as outcome,
      case when n % 100 = 0 then '${ownerId}' else md5('u' || (n % 50000))::uuid::text end as actor,
      'file-' || n % 400000 as resource, md5('r' || n) as request
    from (
      select n, (${startMs}::bigint + n * ${stepMs})::bigint as ms, ${SOURCE} as source,
        ${OWN_NUMBER} as own
      from generate_series(${from}::bigint, ${to - 1}::bigint) n
    ) m join ${LANES} b on b.source = m.source and b.lane = m.own % 16
  ) made`;

/** States that the generated numbers have arrived. The fleet's sealer does the rest. */
export const RELEASE_NUMBERS = `
  update audit.lanes l
  set received = l.received + int8multirange(int8range(b.last_seq + 1, b.last_seq + b.more + 1))
  from ${LANES} b where b.source = l.source and b.lane = l.lane;
  drop table ${LANES}`;

export const insertFiles = ({ from, to }: Span, { ownerId, startMs, stepMs }: Spread): string => `
  insert into files.files (id, user_id, name, size, mime_type, sha256, etag, object_key, status,
    created, updated)
  select ${ID}, '${ownerId}', 'report-' || n || '.pdf', n, 'application/pdf',
    encode(sha256(n::text::bytea), 'hex'), md5(n::text), 'growth/' || n, 'ready',
    to_timestamp(ms / 1000.0), to_timestamp(ms / 1000.0)
  from (
    select n, (${startMs}::bigint + n * ${stepMs})::bigint as ms
    from generate_series(${from}::bigint, ${to - 1}::bigint) n
  ) numbered`;
