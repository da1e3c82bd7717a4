import type { BaseContext } from '../context.ts';
import { eraseUsers } from './erase-user.ts';
import { watchJournal } from './journal.ts';

/** Erases users on order, and repeats erasures that a restored database has lost. */
export function openErasure(context: BaseContext): void {
  const { data, crypto, bucket, erasures, jobs } = context;
  erasures.handle(eraseUsers({ db: data.db, subjectKeys: crypto.subjectKeys, bucket }));
  jobs.add(watchJournal(context));
}
