/** The record of a generated event, as canonical JSON. The columns around it fill it. */
export const RECORD = `
  format('{"action":"%s","error":null,"id":"%s","lane":%s,'
      || '"metadata":{"filename":"report-%s.pdf","size":%s,"text":"%s"},"outcome":"%s",'
      || '"personal":{"commitment":"%s","subject":"%s"},"request_id":"%s","resource":"%s",'
      || '"resource_type":"file","seq":%s,"session_id":null,"source":"%s","tenant_id":null,'
      || '"timestamp":"%s","traceparent":null,"user_id":"%s","version":1}',
    action, id, lane, n, n * 7, md5(n::text), outcome,
    'NnNnNnNnNnNnNnNnNnNnNnNnNnNnNnNnNnNnNnNnNnM=', actor, request, resource, seq, source,
    to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), actor)`;

/** A UUIDv7 of the time `ms` and the number `n`. */
export const ID = `
  (lpad(to_hex(ms), 12, '0') || '7' || lpad(to_hex(n & 4095), 3, '0') || '8'
    || lpad(to_hex(n), 15, '0'))::uuid`;

const ACTION = `
  case
    when n % 200000 = 11 then 'RARE_ACTION'
    when n % 50 = 1 then 'LOGIN_FAIL'
    when n % 3 = 0 then (array[
      'FILE_DOWNLOAD', 'FILE_DOWNLOAD', 'FILE_UPLOAD', 'FILE_DELETE'])[(n / 3 % 4 + 1)::int]
    else (array[
      'LOGIN_SUCCESS', 'TOKEN_REFRESHED', 'LOGOUT', 'USER_UPDATED'])[(n % 4 + 1)::int]
  end`;

const SOURCE = `
  case when n % 100 = 7 then 'app' when n % 1000 = 3 then 'audit' when n % 3 = 0 then 'file'
    else 'user' end`;

const RESOURCE_TYPE = `
  case when n % 300000 = 17 then 'contract' when n % 3 = 0 then 'file' end`;

interface Rows {
  /** The first number, and the one after the last. */
  from: number;
  to: number;
  startMs: number;
  stepMs: number;
}

/** SQL that inserts events made from their numbers, with rare actions, sources and tenants. */
export const insertEvents = ({ from, to, startMs, stepMs }: Rows): string => `
  insert into audit.events
    (id, source, lane, seq, tenant_id, action, outcome, user_id, subject, resource,
      resource_type, session_id, request_id, timestamp, record)
  select id, source, lane, seq, tenant, action, outcome, actor::uuid, actor, resource,
    resource_type, md5('s' || n / 20)::uuid, request, at, ${RECORD}
  from (
    select n, n % 16 as lane, n / 16 + 1 as seq, ${ID} as id, to_timestamp(ms / 1000.0) as at, ${SOURCE} as source,
      case when n % 100 = 7 then 'tenant-' || (n / 100) % 500 end as tenant,
      ${ACTION} as action,
      case when n % 50 = 1 then 'failure' else 'success' end as outcome,
      md5('u' || (n % 50000))::uuid::text as actor,
      case when n % 3 = 0 then 'file-' || n % 400000 end as resource,
      ${RESOURCE_TYPE} as resource_type, md5('r' || n) as request
    from (
      select n, (${startMs}::bigint + n * ${stepMs})::bigint as ms
      from generate_series(${from}::bigint, ${to - 1}::bigint) n
    ) numbered
  ) made`;
