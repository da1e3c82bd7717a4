import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
} from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import {
  createCompactRange,
  leafHash,
  openCheckpoint,
  parseVerifierKey,
} from '@muniment/audit-verify';
import type { Fleet } from './fleet.ts';
import type { Rows } from '@muniment/testing';

/** A text as it is, percent-encoded, in hex, and in base64 at each of three alignments. */
function formsOf(value: string): string[] {
  const base64 = [0, 1, 2].map((shift) => {
    const bytes = Buffer.concat([Buffer.alloc(shift), Buffer.from(value)]);
    // Only characters whose bits all belong to the value.
    return bytes
      .toString('base64')
      .slice(
        shift === 0 ? 0 : shift + 1,
        bytes.length % 3 === 0 ? undefined : -(4 - (bytes.length % 3)),
      );
  });
  return [value, encodeURIComponent(value), Buffer.from(value).toString('hex'), ...base64].map(
    (form) => form.toLowerCase(),
  );
}

const holds = (text: string, value: string): boolean =>
  formsOf(value).some((form) => text.toLowerCase().includes(form));

/** The tables of all schemas whose rows hold a value, as `pg_dump` would write them. */
export async function tablesWith(rows: Rows, value: string): Promise<string[]> {
  const tables = await rows<{ name: string }>(`
    select format('%I.%I', schemaname, tablename) as name from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema')`);
  const found: string[] = [];
  for (const { name } of tables) {
    const hits = await rows(`select 1 from ${name} r where lower(r::text) like any($1) limit 1`, [
      formsOf(value).map((form) => `%${form.replaceAll(/[%_\\]/g, '\\$&')}%`),
    ]);
    if (hits.length > 0) found.push(name);
  }
  return found;
}

/** Every record that the stream still has. */
export async function streamRecords(fleet: Fleet): Promise<string[]> {
  const { kinesis } = await fleet.describe();
  const { endpoint, stream } = kinesis;
  const client = new KinesisClient({
    endpoint,
    region: 'us-east-1',
    credentials: kinesis,
    requestHandler: new NodeHttpHandler(),
  });
  try {
    const records: string[] = [];
    for (const { ShardId } of (await client.send(new ListShardsCommand({ StreamName: stream })))
      .Shards ?? []) {
      let { ShardIterator: iterator } = await client.send(
        new GetShardIteratorCommand({
          StreamName: stream,
          ShardId,
          ShardIteratorType: 'TRIM_HORIZON',
        }),
      );
      for (;;) {
        const { Records = [], NextShardIterator } = await client.send(
          new GetRecordsCommand({ ShardIterator: iterator }),
        );
        if (Records.length === 0) break;
        records.push(...Records.map(({ Data }) => Buffer.from(Data ?? []).toString('latin1')));
        iterator = NextShardIterator;
      }
    }
    return records;
  } finally {
    client.destroy();
  }
}

/** The files under a folder of DATA whose name or bytes hold a value. */
export async function filesWith(fleet: Fleet, folder: string, value: string): Promise<string[]> {
  const root = join(fleet.dataDir, folder);
  const files = await readdir(root, { recursive: true, withFileTypes: true });
  const found: string[] = [];
  for (const file of files.filter((entry) => entry.isFile())) {
    const name = join(file.parentPath, file.name).slice(root.length + 1);
    if (holds(name, value) || holds(await readFile(join(root, name), 'latin1'), value))
      found.push(name);
  }
  return found;
}

/** All places that hold a value: tables, the stream, buckets and logs. */
export async function tracesOf(fleet: Fleet, rows: Rows, value: string): Promise<string[]> {
  const [tables, stream, objects, logs, gateway] = await Promise.all([
    tablesWith(rows, value),
    streamRecords(fleet),
    filesWith(fleet, 's3', value),
    filesWith(fleet, 'logs', value),
    filesWith(fleet, 'nginx', value),
  ]);
  return [
    ...tables,
    ...stream.filter((record) => holds(record, value)).map(() => 'the stream'),
    ...objects.map((name) => `s3/${name}`),
    ...logs.map((name) => `logs/${name}`),
    ...gateway.map((name) => `nginx/${name}`),
  ];
}

/** Verifies each checkpoint against the log's records by the public key. @returns their sizes */
export async function provenSizes(fleet: Fleet, rows: Rows): Promise<number[]> {
  const keys = (await readFile(join(fleet.dataDir, 'audit-key.pub'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => parseVerifierKey(line));
  const sealed = await rows<{ index: string; record: string }>(
    `select s.index, e.record from audit.sealed s
     join audit.events e on e.id = s.event_id order by s.index`,
  );
  const notes = await rows<{ note: string }>('select note from audit.checkpoints order by size');
  const tree = createCompactRange();
  const proven: number[] = [];
  let at = 0;
  for (const checkpoint of notes.map(({ note }) => openCheckpoint(note, keys))) {
    for (; at < checkpoint.size; at += 1)
      tree.append(leafHash(Buffer.from(sealed[at]?.record ?? '')));
    if (!tree.root().equals(checkpoint.root))
      throw new Error(
        `the records do not have the root that was signed for ${checkpoint.size} of them`,
      );
    proven.push(checkpoint.size);
  }
  return proven;
}
