import { randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { Tables } from '../tables.ts';
import { deleteObjectBatch, insertObjectBatch, touchObjectBatch } from './object-batch-queries.ts';

/** After a crash, so many keys are listed: ten answers of S3. */
const MAX_OBJECTS = 10_000;

/** The key of a new object, and the batch that names it until a row does. */
export interface BatchedObject {
  key: string;
  batchId: string;
  /**
   * Ends the upload.
   * @param isAccounted whether a row names the object, or S3 has nothing of it. Else the cleanup
   * looks for it.
   */
  leave(isAccounted: boolean): void;
}

/** The batches of a replica's uploads, one after another. */
export interface ObjectBatches {
  /** Resolves once a durable row names the batch. */
  join(): Promise<BatchedObject>;
  /** Leaves no row behind, once no upload is in progress. */
  close(): Promise<void>;
}

export interface ObjectBatchesOptions {
  db: Kysely<Tables>;
  /** Pause between two heartbeats. */
  beatMs: number;
  log: { warn(details: object, message: string): void };
}

interface Batch {
  id: string;
  /** Uploads that joined, and those in progress. */
  joined: number;
  active: number;
  /** `joined` at the last heartbeat. */
  joinedBefore: number;
  isAccounted: boolean;
  heartbeat: NodeJS.Timeout;
}

export const prefixOf = (batchId: string): string => `${batchId}.`;

/**
 * One row for many uploads, in the place of a row of its own for each: that took 1 ms of CPU and a
 * second durable commit. A batch ends when it is full, at rest, or in doubt.
 */
export function createObjectBatches(options: ObjectBatchesOptions): ObjectBatches {
  let open: Batch | undefined;
  let opening: Promise<void> | undefined;
  const endings = new Set<Promise<void>>();

  async function openBatch(): Promise<void> {
    try {
      open = await startBatch(options, beat);
    } finally {
      opening = undefined;
    }
  }

  function retire(batch: Batch): void {
    if (open === batch) open = undefined;
    if (batch.active > 0) return;
    clearInterval(batch.heartbeat);
    // Without a heartbeat the cleanup withdraws it and lists its objects.
    if (!batch.isAccounted) return;
    const ending = endBatch(options, batch).finally(() => endings.delete(ending));
    endings.add(ending);
  }

  async function beat(batch: Batch): Promise<void> {
    const isAtRest = batch.active === 0 && batch.joined === batch.joinedBefore;
    if (isAtRest) return retire(batch);
    batch.joinedBefore = batch.joined;
    if (await isAlive(options, batch)) return;
    batch.isAccounted = false;
    retire(batch);
  }

  const leave = (batch: Batch, isAccounted: boolean): void => {
    batch.active -= 1;
    batch.isAccounted &&= isAccounted;
    if (open !== batch || !isAccounted) retire(batch);
  };

  return {
    async join() {
      while (!open) await (opening ??= openBatch());
      const batch = open;
      batch.joined += 1;
      batch.active += 1;
      if (batch.joined === MAX_OBJECTS) open = undefined;
      const key = prefixOf(batch.id) + randomUUID();
      return { key, batchId: batch.id, leave: (isAccounted) => leave(batch, isAccounted) };
    },
    async close() {
      await opening?.catch(() => undefined);
      if (open) retire(open);
      await Promise.all(endings);
    },
  };
}

async function startBatch(
  { db, beatMs }: ObjectBatchesOptions,
  beat: (batch: Batch) => Promise<void>,
): Promise<Batch> {
  const id = randomUUID();
  await insertObjectBatch(db, id);
  const heartbeat = setInterval(() => void beat(batch), beatMs).unref();
  const batch = { id, joined: 0, active: 0, joinedBefore: 0, isAccounted: true, heartbeat };
  return batch;
}

async function endBatch({ db, log }: ObjectBatchesOptions, { id }: Batch): Promise<void> {
  try {
    await deleteObjectBatch(db, id);
  } catch (error) {
    log.warn({ err: error }, 'the cleanup will end a batch of uploads');
  }
}

/** @returns false once the cleanup has withdrawn the batch */
async function isAlive({ db, log }: ObjectBatchesOptions, { id }: Batch): Promise<boolean> {
  try {
    return await touchObjectBatch(db, id);
  } catch (error) {
    log.warn({ err: error }, 'the heartbeat of a batch of uploads failed');
    return true;
  }
}
