import type { Kysely } from 'kysely';
import { createGather } from '@muniment/database';
import type { ReadyFile, Tables } from '../tables.ts';
import { findReadyFiles, type OwnFile } from './file-queries.ts';

/** Finds a file of the user's own; reads of the same moment share a statement. */
export type FindFile = (own: OwnFile) => Promise<ReadyFile | undefined>;

/** Statements of reads at once: a second one hides the way to the database. */
const CONCURRENCY = 2;

export const createFindFile = (db: Kysely<Tables>): FindFile =>
  createGather({
    concurrency: CONCURRENCY,
    send: (asked: readonly OwnFile[]) => findReadyFiles(db, asked),
  });
