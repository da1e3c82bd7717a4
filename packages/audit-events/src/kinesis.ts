import {
  KinesisClient,
  PutRecordsCommand,
  type PutRecordsRequestEntry,
} from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';

export interface KinesisOptions {
  region: string;
  /** Absent: AWS's own endpoint. */
  endpoint?: string | undefined;
  /** Absent: the SDK's default credential chain. */
  credentials?: { accessKeyId: string; secretAccessKey: string } | undefined;
}

const TIMEOUT_MS = 5_000;

/** A client that gives up quickly, because the relay and the consumer retry by themselves. */
export function createKinesisClient({
  region,
  endpoint,
  credentials,
}: KinesisOptions): KinesisClient {
  return new KinesisClient({
    region,
    ...(endpoint && { endpoint }),
    ...(credentials && { credentials }),
    maxAttempts: 1,
    // The local server speaks no HTTP/2. Without throwOnRequestTimeout a half-open connection would
    // hold the relay for ever.
    requestHandler: new NodeHttpHandler({
      connectionTimeout: 1_000,
      requestTimeout: TIMEOUT_MS,
      throwOnRequestTimeout: true,
      socketTimeout: TIMEOUT_MS,
    }),
  });
}

export interface StreamRecord {
  lane: number;
  text: string;
}

const MAX_BATCH_RECORDS = 500;
// A request may have 5 MiB, keys included.
const MAX_BATCH_BYTES = 5 * 1024 * 1024 - 64 * 1024;

/** Cuts records into requests of at most 500 records and 5 MiB, in order. */
export function batchRecords(records: readonly StreamRecord[]): StreamRecord[][] {
  const batches: StreamRecord[][] = [];
  let batch: StreamRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    const size = Buffer.byteLength(record.text) + 32;
    if (
      batch.length === MAX_BATCH_RECORDS ||
      (batch.length > 0 && bytes + size > MAX_BATCH_BYTES)
    ) {
      batches.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(record);
    bytes += size;
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}

/**
 * Puts one batch.
 * @returns the records that the stream refused (throttled shard, internal error), for an exact
 * retry
 * @throws when the whole request failed; then no record counts as sent
 */
export async function putBatch(
  { kinesis, stream }: { kinesis: KinesisClient; stream: string },
  source: string,
  batch: readonly StreamRecord[],
): Promise<StreamRecord[]> {
  const entries: PutRecordsRequestEntry[] = batch.map(({ lane, text }) => ({
    Data: Buffer.from(text),
    PartitionKey: `${source}/${lane}`,
  }));
  const answer = await kinesis.send(
    new PutRecordsCommand({ StreamName: stream, Records: entries }),
  );
  if (!answer.FailedRecordCount) return [];
  return batch.filter((_, index) => answer.Records?.[index]?.ErrorCode !== undefined);
}
