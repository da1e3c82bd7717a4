import { GetObjectCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';
import {
  createCompactRange,
  leafHash,
  openCheckpoint,
  type VerifierKey,
} from '@muniment/audit-verify';
import type { Fleet } from '../../e2e/fleet.ts';
import type { Rows } from '@muniment/testing';
import { abortableSleep } from '../abortable-sleep.ts';
import type { Violation } from './violations.ts';
import type { History } from '../history.ts';
import type { CheckerAccount } from '../checker-account.ts';

/** A checkpoint saved outside of the product. */
export interface SavedCheckpoint {
  /** Where it came from. */
  from: string;
  note: string;
  size: number;
  root: Buffer;
}

const POLL_MS = 1_000;
const REQUEST_TIMEOUT_MS = 3_000;

/** An outside witness: saves the checkpoints that the log signs. */
export interface Witness {
  saved: SavedCheckpoint[];
  /** Checkpoints whose signature does not verify. */
  violations: Violation[];
  /** Saves the newest checkpoint each second until `signal` aborts. */
  watch(signal: AbortSignal): Promise<void>;
}

export function createWitness(
  fleet: Fleet,
  { token, key }: CheckerAccount,
  history: History,
): Witness {
  const saved: SavedCheckpoint[] = [];
  const violations: Violation[] = [];

  async function saveNewest(): Promise<void> {
    const note = await fleet
      .call('GET', '/api/audit/checkpoint', {
        token,
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      })
      .then(
        async (answer) => (answer.ok ? answer.text() : undefined),
        () => undefined,
      );
    if (note === undefined) return;
    try {
      const { size, root } = openCheckpoint(note, [key]);
      saved.push({ from: `the gateway at ${history.now()} ms`, note, size, root });
      history.write({ type: 'checkpoint', size, note });
    } catch (error) {
      violations.push({
        kind: 'checkpoint',
        detail: `the checkpoint of ${history.now()} ms does not open: ${String(error)}`,
      });
    }
  }

  return {
    saved,
    violations,
    async watch(signal) {
      while (!signal.aborted) {
        await saveNewest();
        await abortableSleep(POLL_MS, signal);
      }
    },
  };
}

/** Reads the checkpoints in S3, where the database's owner cannot change them. */
export async function readCopies(
  fleet: Fleet,
  key: VerifierKey,
): Promise<{ saved: SavedCheckpoint[]; violations: Violation[] }> {
  const {
    s3: { endpoint, auditBucket: Bucket, accessKeyId, secretAccessKey },
  } = await fleet.describe();
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  });
  const saved: SavedCheckpoint[] = [];
  const violations: Violation[] = [];
  try {
    for await (const { Contents = [] } of paginateListObjectsV2(
      { client },
      { Bucket, Prefix: 'checkpoints/' },
    )) {
      for (const { Key = '' } of Contents) {
        const note =
          (await (
            await client.send(new GetObjectCommand({ Bucket, Key }))
          ).Body?.transformToString()) ?? '';
        try {
          const { size, root } = openCheckpoint(note, [key]);
          saved.push({ from: `S3 (${Key})`, note, size, root });
        } catch (error) {
          violations.push({ kind: 'checkpoint', detail: `${Key} does not open: ${String(error)}` });
        }
      }
    }
  } finally {
    client.destroy();
  }
  return { saved, violations };
}

/** Checks that the stored log has the signed root at every size that was ever signed. */
export async function checkPrefixes(
  rows: Rows,
  saved: readonly SavedCheckpoint[],
): Promise<Violation[]> {
  const records = await rows<{ record: string }>(
    'select e.record from audit.sealed s join audit.events e on e.id = s.event_id order by s.index',
  );
  const range = createCompactRange();
  const violations: Violation[] = [];
  for (const { from, size, root } of saved.toSorted((one, other) => one.size - other.size)) {
    if (size > records.length) {
      violations.push({
        kind: 'checkpoint',
        detail: `the checkpoint of ${from} has ${size} leaves, the log ${records.length}`,
      });
      continue;
    }
    while (range.size < size)
      range.append(leafHash(Buffer.from(records[range.size]?.record ?? '')));
    if (!range.root().equals(root))
      violations.push({
        kind: 'checkpoint',
        detail: `the first ${size} leaves are no longer those of the checkpoint of ${from}`,
      });
  }
  return violations;
}
