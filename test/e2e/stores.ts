import { ListMultipartUploadsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import pg from 'pg';
import { rowsOf, type Rows, type Teardown } from '@muniment/testing';
import type { Fleet } from './fleet.ts';

/** Opens the fleet's database as superuser. The pool survives restarts of PostgreSQL. */
export async function openDatabase(t: Teardown, fleet: Fleet): Promise<Rows> {
  const { postgres } = await fleet.describe();
  const pool = new pg.Pool({ connectionString: postgres.url, max: 2, idleTimeoutMillis: 1_000 });
  pool.on('error', () => {
    /* the next query opens another connection */
  });
  t.teardown(() => pool.end());
  return rowsOf(pool);
}

/** The keys of all objects and of all open multipart uploads. */
export async function storedObjects(
  fleet: Fleet,
): Promise<{ objects: string[]; uploads: string[] }> {
  const { s3 } = await fleet.describe();
  const client = new S3Client({
    endpoint: s3.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: s3,
  });
  try {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: s3.bucket }));
    const { Uploads = [] } = await client.send(
      new ListMultipartUploadsCommand({ Bucket: s3.bucket }),
    );
    return {
      objects: Contents.map(({ Key = '' }) => Key),
      uploads: Uploads.map(({ Key = '' }) => Key),
    };
  } finally {
    client.destroy();
  }
}

/** The gaps of the trail: events still in an outbox, and lanes with missing numbers. */
export async function trailGaps(rows: Rows): Promise<string[]> {
  const gaps = await rows<{ gap: string }>(`
    select o.schema || '.outbox holds ' || o.rows as gap from (
      select 'identity' as schema, count(*) as rows from identity.outbox union all
      select 'files', count(*) from files.outbox union all
      select 'audit', count(*) from audit.outbox union all
      select 'app', count(*) from app.outbox) o where o.rows > 0
    union all
    select source || '/' || lane || ' has ' || received from audit.lanes
    where not isempty(received) and received <> int8multirange(int8range(1, watermark + 1))
    union all
    select l.source || '/' || l.lane || ' ends at ' || l.watermark || ', given were ' || g.last_seq
    from (select 'user' as source, lane, last_seq from identity.outbox_lanes union all
          select 'file', lane, last_seq from files.outbox_lanes union all
          select 'audit', lane, last_seq from audit.outbox_lanes union all
          select 'app', lane, last_seq from app.outbox_lanes) g
    join audit.lanes l using (source, lane) where l.watermark <> g.last_seq`);
  return gaps.map(({ gap }) => gap);
}
