import { setTimeout as sleep } from 'node:timers/promises';
import { GetObjectCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';
import {
  createCompactRange,
  leafHash,
  openCheckpoint,
  verifyConsistency,
  verifyInclusion,
  type VerifierKey,
} from '@muniment/audit-verify';
import type { Fleet } from '../../e2e/fleet.ts';
import type { Rows } from '@muniment/testing';
import type { Violation } from './check-history.ts';
import type { History } from '../history.ts';
import type { House } from '../house.ts';
import { createRandom } from '../plan/random.ts';

/** A checkpoint saved outside of the product. */
export interface SavedCheckpoint {
  /** Where it came from. */
  from: string;
  note: string;
  size: number;
  root: Buffer;
}

/** The number of proofs requested, and those that do not hold. */
export interface Proven {
  count: number;
  violations: Violation[];
}

const POLL_MS = 1_000;
const REQUEST_TIMEOUT_MS = 3_000;
const MAX_CONSISTENCY = 400;
const MAX_INCLUSION = 100;

/** An outside witness: saves the checkpoints that the log signs. */
export interface Witness {
  saved: SavedCheckpoint[];
  /** Checkpoints whose signature does not verify. */
  violations: Violation[];
  /** Saves the newest checkpoint each second until `signal` aborts. */
  watch(signal: AbortSignal): Promise<void>;
}

export function createWitness(fleet: Fleet, { token, key }: House, history: History): Witness {
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
        await sleep(POLL_MS, undefined, { signal }).catch(() => {});
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

const fromBase64 = (hashes: readonly string[]): Buffer[] =>
  hashes.map((hash) => Buffer.from(hash, 'base64'));

/** Verifies the product's proofs that each saved checkpoint is a prefix of the next. */
export async function checkConsistency(
  fleet: Fleet,
  { token, key }: House,
  saved: readonly SavedCheckpoint[],
): Promise<Proven> {
  const bySize = [
    ...new Map(saved.filter(({ size }) => size > 0).map((one) => [one.size, one])).values(),
  ].sort((one, other) => one.size - other.size);
  const step = Math.max(1, Math.ceil(bySize.length / MAX_CONSISTENCY));
  const chosen = bySize.filter((_, index) => index % step === 0);
  const violations: Violation[] = [];
  let asked = 0;
  for (const [index, older] of chosen.entries()) {
    const newer = chosen[index + 1];
    if (!newer) break;
    asked += 1;
    const answer = await fleet.call(
      'GET',
      `/api/audit/consistency?from=${older.size}&to=${newer.size}`,
      { token },
    );
    const text = await answer.text();
    if (!answer.ok) {
      violations.push({
        kind: 'proof',
        detail:
          `consistency from ${older.size} to ${newer.size} ` +
          `answered ${answer.status}: ${text.slice(0, 200)}`,
      });
      continue;
    }
    const body = JSON.parse(text) as { old: string; new: string; hashes: string[] };
    const [old, next] = [openCheckpoint(body.old, [key]), openCheckpoint(body.new, [key])];
    const holds =
      old.size === older.size &&
      next.size === newer.size &&
      old.root.equals(older.root) &&
      next.root.equals(newer.root) &&
      verifyConsistency({
        oldSize: older.size,
        newSize: newer.size,
        oldRoot: older.root,
        newRoot: newer.root,
        proof: fromBase64(body.hashes),
      });
    if (!holds)
      violations.push({
        kind: 'proof',
        detail: `the tree of ${newer.size} leaves is not proven to extend that of ${older.size}`,
      });
  }
  return { count: asked, violations };
}

/** Verifies the product's inclusion proofs of some events against the stored records. */
export async function checkInclusion(
  fleet: Fleet,
  { token, key }: House,
  rows: Rows,
  seed: number,
): Promise<Proven> {
  const events = await rows<{ id: string; record: string; index: number }>(
    `select e.id, e.record, s.index::float8 as index
    from audit.sealed s join audit.events e on e.id = s.event_id order by s.index`,
  );
  const violations: Violation[] = [];
  const chosen = createRandom(`${seed}/proofs`).shuffle(events).slice(0, MAX_INCLUSION);
  for (const { id, record, index } of chosen) {
    const answer = await fleet.call('GET', `/api/audit/logs/${id}/proof`, { token });
    const text = await answer.text();
    if (!answer.ok) {
      violations.push({
        kind: 'proof',
        detail: `the proof of ${id} answered ${answer.status}: ${text.slice(0, 200)}`,
      });
      continue;
    }
    const proof = JSON.parse(text) as {
      checkpoint: string;
      index: number;
      tree_size: number;
      hashes: string[];
      leaf: string;
    };
    const { size, root } = openCheckpoint(proof.checkpoint, [key]);
    const leaf = Buffer.from(proof.leaf, 'base64');
    const holds =
      size === proof.tree_size &&
      proof.index === index &&
      leaf.equals(Buffer.from(record)) &&
      verifyInclusion({
        index,
        size,
        leafHash: leafHash(leaf),
        proof: fromBase64(proof.hashes),
        root,
      });
    if (!holds)
      violations.push({ kind: 'proof', detail: `${id} is not shown to be leaf ${index}` });
  }
  return { count: chosen.length, violations };
}
