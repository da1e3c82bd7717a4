import type { Fleet } from '../../e2e/fleet.ts';
import { abortableSleep } from '../abortable-sleep.ts';
import type { History } from '../history.ts';

/** A part that a fault can silence. */
export type Area = 'user' | 'file' | 'audit' | 's3';

const PAUSE_MS = 150;
const REQUEST_TIMEOUT_MS = 3_000;
const PATHS = {
  user: '/api/users/me',
  file: '/api/files?limit=1',
  audit: '/api/audit/logs?limit=1',
};

/** Polls each service without leaving events, to note when it answers after a fault. */
export async function probe(
  fleet: Fleet,
  token: string,
  history: History,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(
    (Object.keys(PATHS) as (keyof typeof PATHS)[]).map(async (area) => {
      while (!signal.aborted) {
        const sentAt = history.now();
        const ok = await fleet
          .call('GET', PATHS[area], { token, signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) })
          .then(
            async (answer) => {
              await answer.text();
              return answer.ok;
            },
            () => false,
          );
        if (ok) history.answers.push({ area, sentAt, answeredAt: history.now() });
        await abortableSleep(PAUSE_MS, signal);
      }
    }),
  );
}
