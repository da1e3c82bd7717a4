import { describeEvent } from './describe-event.ts';
import type { TrailEvent, Violation } from './violations.ts';

/** The request id of an account's erasure. */
const ERASURE = /^erasure-(.+)$/;

/** Groups the successful events of one action by their resource. */
function groupByResource(events: readonly TrailEvent[], action: string): Map<string, TrailEvent[]> {
  return Map.groupBy(
    events.filter((event) => event.action === action && event.outcome === 'success'),
    ({ resource }) => resource ?? '',
  );
}

/** Checks that each file is deleted once at most, and with its account. */
export function checkFiles(events: readonly TrailEvent[]): Violation[] {
  const violations: Violation[] = [];
  const uploaded = groupByResource(events, 'FILE_UPLOAD');
  const deleted = groupByResource(events, 'FILE_DELETE');
  const gone = groupByResource(events, 'USER_DELETED');
  for (const [file, all] of deleted) {
    if (all.length > 1)
      violations.push({
        kind: 'doubled',
        detail: `file ${file} was deleted by ${all.map(describeEvent).join(' and ')}`,
      });
    if (!uploaded.has(file))
      violations.push({
        kind: 'unexplained',
        detail: `file ${file} was deleted and never uploaded: ${all.map(describeEvent).join(', ')}`,
      });
  }
  for (const [file, [upload]] of uploaded) {
    if (upload?.user_id && gone.has(upload.user_id) && !deleted.has(file))
      violations.push({
        kind: 'lost',
        detail: `file ${file} went with its account ${upload.user_id}: no FILE_DELETE`,
      });
  }
  return violations;
}

/** Checks that each deleted account is erased once. An erasure's events bear the account's id. */
export function checkAccounts(events: readonly TrailEvent[]): Violation[] {
  const violations: Violation[] = [];
  const gone = groupByResource(events, 'USER_DELETED');
  const erased = groupByResource(events, 'SUBJECT_ERASED');
  for (const [what, ends] of [
    ['deleted', gone],
    ['erased', erased],
  ] as const) {
    for (const [account, all] of ends)
      if (all.length > 1)
        violations.push({
          kind: 'doubled',
          detail: `account ${account} was ${what} by ${all.map(describeEvent).join(' and ')}`,
        });
  }
  for (const account of gone.keys())
    if (!erased.has(account))
      violations.push({
        kind: 'lost',
        detail: `account ${account} was deleted: no SUBJECT_ERASED`,
      });
  for (const event of events.filter(({ traceparent }) => traceparent === null)) {
    const account = ERASURE.exec(event.request_id)?.[1];
    if (account === undefined || !gone.has(account))
      violations.push({
        kind: 'unexplained',
        detail: `${describeEvent(event)} of request ${event.request_id}`,
      });
  }
  return violations;
}
