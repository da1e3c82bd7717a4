import { createHmac } from 'node:crypto';
import { uuidv7 } from '@muniment/database';
import { isPrivileged, Unauthenticated, type Principal } from '@muniment/security';
import type { RequestContext, RequestEvent } from '@muniment/server';
import type { Transaction } from 'kysely';
import type { UserContext } from '../context.ts';
import { grantRole } from '../sign-in/grant-role.ts';
import type { Tables } from '../tables.ts';
import { isCallerLive } from '../users/caller-queries.ts';
import { updateDirectoryUser } from '../users/directory-queries.ts';
import { consumeStatusChange } from '../users/status-change-queries.ts';
import { lockUser } from '../users/user-queries.ts';
import { userImported } from './import-events.ts';
import { findHolders, insertImported, type InsertableUser } from './import-queries.ts';
import { explainRefusal, isTaken, refuseRow, type RowOutcome } from './row-outcome.ts';
import type { ImportedUser } from './rows/read-user.ts';

export type ImportContext = Pick<UserContext, 'config' | 'crypto' | 'data' | 'limits' | 'mail'>;

/** One import, as all its batches know it. */
export interface Import {
  caller: Principal;
  source: string;
  /** Under it a row that is sent again is the same user. */
  idempotencyKey: string | undefined;
}

export interface ReadyRow {
  line: number;
  user: ImportedUser;
}

/**
 * The id of a user whose file has none. Under an Idempotency-Key it follows from the address, so
 * that a repeated import finds its rows without a record of them. It is keyed: the ids of erased
 * users stay in the trail, where they would confirm a guessed address.
 */
function createId({ caller, idempotencyKey }: Import, emailKey: string, secret: Buffer): string {
  if (idempotencyKey === undefined) return uuidv7(Date.now());
  const digest = createHmac('sha256', secret)
    .update(JSON.stringify([caller.id, idempotencyKey, emailKey]))
    .digest();
  // UUIDv8 (RFC 9562 §5.8).
  digest.writeUInt8((digest.readUInt8(6) & 0x0f) | 0x80, 6);
  digest.writeUInt8((digest.readUInt8(8) & 0x3f) | 0x80, 8);
  return digest.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/**
 * Inserts a batch with its events in one transaction, and says what became of each row.
 * @throws Unauthenticated when the caller's session has ended meanwhile
 */
export async function importBatch(
  context: ImportContext,
  request: RequestContext,
  { rows, ...given }: Import & { rows: readonly ReadyRow[] },
): Promise<RowOutcome[]> {
  const secret = context.limits.secret('import-ids');
  const candidates = rows.map(({ line, user: { hashCost: _cost, ...user } }) => ({
    line,
    isOwnId: user.id === null,
    user: { ...user, id: user.id ?? createId(given, user.email_key, secret) },
  }));
  const users = candidates.map(({ user }) => user);
  const holders = await findHolders(context.data.db, users);
  // Refused rows get no key of personal values: nobody would ever destroy it.
  const free: InsertableUser[] = [];
  for (const user of users) if (!isTaken(user, [...holders, ...free])) free.push(user);
  const living = await findLiving(context, free);
  const insertable = free.filter(({ id }) => living.has(id));
  const created = await insert(context, request, { ...given, users: insertable });
  const others = candidates.filter(({ user }) => !created.delete(user.id));
  if (others.length === 0) return candidates.map(toCreated);
  const present = await findHolders(
    context.data.db,
    others.map(({ user }) => user),
  );
  const refused = new Map(others.map((row) => [row.line, explainRefusal(row, present)]));
  const erased = new Set(free.filter(({ id }) => !living.has(id)).map(({ id }) => id));
  return candidates.map((row) =>
    erased.has(row.user.id)
      ? refuseRow(row.line, 'id_erased', { id: 'is the id of an erased user' })
      : (refused.get(row.line) ?? toCreated(row)),
  );
}

const toCreated = ({ line, user: { id } }: { line: number; user: { id: string } }): RowOutcome => ({
  line,
  status: 'created',
  id,
});

/**
 * Creates the keys of the events' personal values before the transaction, in two statements for
 * all: inside it each event would look for its own. The erased get none.
 */
async function findLiving(
  { crypto: { subjectKeys }, data: { db } }: ImportContext,
  users: readonly InsertableUser[],
): Promise<ReadonlyMap<string, unknown>> {
  const ids = users.map(({ id }) => id);
  await subjectKeys.forNames(db, ids);
  // Only keys that are found stored stay in memory.
  return subjectKeys.forNames(db, ids);
}

class NothingInserted extends Error {}

interface Insertion extends Import {
  users: readonly InsertableUser[];
}

/** @returns the ids of the inserted users */
async function insert(
  context: ImportContext,
  request: RequestContext,
  { caller, source, users }: Insertion,
): Promise<Set<string>> {
  if (users.length === 0) return new Set();
  // In the file's order: of two rows with one id the first wins. A deadlock of two imports of the
  // same users runs the transaction again.
  try {
    return await context.data.inTransaction(request, async (trx, record) => {
      if (!(await isCallerLive(trx, caller))) throw new Unauthenticated();
      const created = await insertImported(trx, users, caller.id);
      if (created.size === 0) throw new NothingInserted();
      const recorded = new Set<string>();
      for (const user of users) {
        // An address that is there twice has one id under an Idempotency-Key.
        if (!created.has(user.id) || recorded.has(user.id)) continue;
        recorded.add(user.id);
        await record(userImported(user, source));
        await raise(context, { trx, record, request }, { user, actorId: caller.id });
      }
      return created;
    });
  } catch (error) {
    if (error instanceof NothingInserted) return new Set();
    throw error;
  }
}

interface Raising {
  trx: Transaction<Tables>;
  record(event: RequestEvent): Promise<string>;
  request: RequestContext;
}

/** Gives a privileged user its role by the rule for all: an unproved address voids the password. */
async function raise(
  context: ImportContext,
  { trx, record, request }: Raising,
  { user: { id, type, status }, actorId }: { user: InsertableUser; actorId: string },
): Promise<void> {
  if (!isPrivileged(type)) return;
  const user = await lockUser(trx, id);
  if (!user) throw new Error('an inserted user is gone');
  const { headers } = request as { headers: { 'accept-language'?: string } };
  const locale = context.mail.languages.choose(headers['accept-language']);
  await grantRole(context, { trx, record }, { user, type, locale });
  if (status === 'active') return;
  // The grant has made the user active.
  await updateDirectoryUser(trx, id, { change: { status }, actorId });
  await consumeStatusChange(trx, id);
}
