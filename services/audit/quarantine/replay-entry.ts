import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { decodeRecord } from '@muniment/audit-events';
import { principalOf } from '@muniment/security';
import { requirePreconditions } from '@muniment/server';
import type { ReceivedEvent } from '../event-store/received-event.ts';
import type { AuditContext } from '../context.ts';
import { QuarantineNotFound, QuarantineRefused, QuarantineUnreadable } from '../errors.ts';
import { isRefusedContent } from '../event-store/refused-content.ts';
import { insertSearchTerms } from '../search/search-term-queries.ts';
import { decryptRecords } from './encrypt-records.ts';
import { placeEvent } from './place-event.ts';
import { quarantineReplayed } from './quarantine-events.ts';
import { findQuarantined, insertReplay, type QuarantinedEntry } from './quarantine-queries.ts';
import { toReplayResource, type Replay } from './quarantine-resource.ts';

type ReplayContext = Pick<AuditContext, 'data' | 'crypto' | 'searchTerms'>;

/** Another replay of the same record was first. */
class ReplayedMeanwhile extends Error {}

/**
 * Moves a record from quarantine into the log. Idempotent: a second replay answers the same.
 * @throws QuarantineNotFound, QuarantineUnreadable, QuarantineRefused, QuarantineForged,
 * QuarantineContradicted
 */
export async function replayEntry(
  context: ReplayContext,
  request: FastifyRequest,
  id: string,
): Promise<Replay> {
  const entry = await findEntry(context, id);
  requirePreconditions(request, undefined);
  const earlier = toReplayResource(entry);
  if (earlier) return earlier;
  try {
    await storeEntry(context, request, entry);
  } catch (error) {
    if (isRefusedContent(error)) throw new QuarantineRefused(error.message);
    if (!(error instanceof ReplayedMeanwhile)) throw error;
  }
  const replayed = await findQuarantined(context.data.db, id);
  const replay = replayed && toReplayResource(replayed);
  if (!replay) throw new QuarantineNotFound();
  return replay;
}

async function findEntry(
  { data: { db }, crypto }: Pick<ReplayContext, 'data' | 'crypto'>,
  id: string,
): Promise<QuarantinedEntry> {
  const row = await findQuarantined(db, id);
  const [entry] = row ? await decryptRecords(db, crypto.subjectKeys, [row]) : [];
  if (!entry) throw new QuarantineNotFound();
  return entry;
}

async function storeEntry(
  { data, searchTerms }: ReplayContext,
  request: FastifyRequest,
  entry: QuarantinedEntry,
): Promise<void> {
  const received = decodeEntry(entry);
  const { event } = received;
  // Before the transaction, which locks the lane: keys may have to be fetched.
  const terms = await searchTerms.createTerms([event]);
  await data.inTransaction(request, async (trx, record) => {
    const outcome = await placeEvent(trx, received, entry);
    const { id: userId } = principalOf(request);
    const replay = { quarantineId: entry.id, eventId: event.id, outcome, userId };
    if (!(await insertReplay(trx, replay))) throw new ReplayedMeanwhile();
    if (outcome === 'stored' && terms.length > 0) await insertSearchTerms(trx, terms);
    await record(quarantineReplayed(entry.id, { event, outcome }));
  });
}

/** @throws QuarantineUnreadable */
function decodeEntry(entry: QuarantinedEntry): ReceivedEvent {
  if (entry.size > entry.data.length)
    throw new QuarantineUnreadable(`only a part of its ${entry.size} bytes was stored`);
  const decoded = decodeRecord(entry.data);
  if ('fault' in decoded) throw new QuarantineUnreadable(decoded.fault);
  return {
    event: decoded.event,
    record: { sequenceNumber: entry.sequence_number, data: entry.data },
    digest: createHash('sha256').update(entry.data).digest(),
  };
}
