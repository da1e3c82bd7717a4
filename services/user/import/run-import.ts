import { isPrivileged } from '@muniment/security';
import type { RequestContext } from '@muniment/server';
import { createCostAnnouncer } from '../foreign-hashes/announce-costs.ts';
import { storeSignerKey } from '../foreign-hashes/signer-keys.ts';
import { importBatch, type Import, type ImportContext, type ReadyRow } from './import-batch.ts';
import { mapRow, type ImportSource } from './map-row.ts';
import { refuseRow, type RowOutcome } from './row-outcome.ts';
import { RowRefused, type SentRow } from './rows/row.ts';
import { readFirebaseParameters, type FirebaseParameters } from './sources/firebase.ts';

const BATCH_SIZE = 250;

export interface RunningImport extends Import {
  source: ImportSource;
  rows: AsyncIterable<SentRow>;
}

/**
 * Imports rows as they arrive.
 * @returns the report, in parts
 * @throws what `rows` throws, once all rows before are done; as `importBatch`
 */
export async function runImport(
  context: ImportContext,
  request: RequestContext,
  { rows, ...given }: RunningImport,
): Promise<string[]> {
  const parts: string[] = [];
  const summary = { rows: 0, created: 0, existing: 0, refused: 0 };
  const complete = createBatchCompleter(context, request, given);
  const reader = createRowReader(context, given);
  const faults: unknown[] = [];
  let batch: (ReadyRow | RowOutcome)[] = [];

  async function flush(): Promise<void> {
    if (batch.length === 0) return;
    const outcomes = await complete(batch);
    batch = [];
    for (const { status } of outcomes) summary[status] += 1;
    summary.rows += outcomes.length;
    parts.push(outcomes.map((outcome) => `${JSON.stringify(outcome)}\n`).join(''));
  }

  for await (const row of untilFault(rows, faults)) {
    const outcome = await reader(row);
    if (outcome) batch.push(outcome);
    if (batch.length >= BATCH_SIZE) await flush();
  }
  await flush();
  if (faults.length > 0) throw faults[0];
  parts.push(`${JSON.stringify({ summary })}\n`);
  return parts;
}

/** Ends where the rows throw, so that those before are done. */
async function* untilFault<Row>(rows: AsyncIterable<Row>, faults: unknown[]): AsyncGenerator<Row> {
  try {
    yield* rows;
  } catch (error) {
    faults.push(error);
  }
}

function createBatchCompleter(context: ImportContext, request: RequestContext, given: Import) {
  const announce = createCostAnnouncer(context.data.db);
  return async (batch: readonly (ReadyRow | RowOutcome)[]): Promise<RowOutcome[]> => {
    const rows = batch.filter((row) => 'user' in row);
    const refused = batch.filter((row): row is RowOutcome => !('user' in row));
    if (rows.length === 0) return refused;
    await announce(rows.flatMap(({ user }) => user.hashCost ?? []));
    const done = await importBatch(context, request, { ...given, rows });
    return [...refused, ...done].sort((one, other) => one.line - other.line);
  };
}

/**
 * Kinds of hashes by their cost that one import may bring. Each is measured at every replica, while
 * failed logins wait.
 */
const MAX_COST_CLASSES = 16;

/** Reads rows in order: Firebase's parameters stand before its users. */
function createRowReader(
  context: ImportContext,
  { source, caller }: Pick<RunningImport, 'source' | 'caller'>,
): (row: SentRow) => Promise<ReadyRow | RowOutcome | undefined> {
  let parameters: FirebaseParameters | undefined;
  const costClasses = new Set<string>();
  return async ({ line, fields = {}, fault }) => {
    if (fault) return { line, status: 'refused', ...fault };
    try {
      if (source === 'firebase' && 'hash_config' in fields) {
        parameters = await readParameters(context, fields.hash_config);
        return undefined;
      }
      const user = mapRow(source, fields, parameters);
      // A stolen API token must not make itself a more powerful account.
      if (caller.apiToken && isPrivileged(user.type))
        return refuseRow(line, 'session_required', { type: 'needs a session, not an API token' });
      if (user.hashCost) costClasses.add(user.hashCost.cost_class);
      if (costClasses.size > MAX_COST_CLASSES) {
        costClasses.delete(user.hashCost?.cost_class ?? '');
        return refuseRow(line, 'hash_refused', { password_hash: 'is of too many different costs' });
      }
      return { line, user };
    } catch (error) {
      if (!(error instanceof RowRefused)) throw error;
      return { line, status: 'refused', ...error.fault };
    }
  };
}

/** The parameters stand in the body, since a URL would be logged on its way. */
async function readParameters(
  { crypto, data }: ImportContext,
  config: unknown,
): Promise<FirebaseParameters> {
  const { signerKey, ...parameters } = readFirebaseParameters(config);
  return { ...parameters, keyId: await storeSignerKey(data.db, crypto.masterKey, signerKey) };
}
