import type { Kysely } from 'kysely';
import { Counter, Gauge, type Registry } from 'prom-client';
import { mailBacklog } from './mail-outbox-queries.ts';
import type { Tables } from '../tables.ts';

export interface MailCounters {
  sent(template: string): void;
  failed(outcome: 'postponed' | 'dead'): void;
}

/** What waits in the outbox of mails, for how long, and what became of what was tried. */
export function measureMails(db: Kysely<Tables>, metrics: Registry): MailCounters {
  let reading: Promise<void> | undefined;
  // One look serves both gauges of a scrape. With the database down there is no value: one of before would say that all is well.
  const read = (): Promise<void> => {
    reading ??= mailBacklog(db)
      .catch(() => ({ waiting: NaN, dead: NaN, oldest_seconds: NaN }))
      .then(({ waiting, dead, oldest_seconds: oldestSeconds }) => {
        mails.set({ state: 'waiting' }, waiting);
        mails.set({ state: 'dead' }, dead);
        oldest.set(oldestSeconds);
        reading = undefined;
      });
    return reading;
  };
  const mails = new Gauge({
    name: 'muniment_mails',
    help: 'Mails that wait to be sent, and those that were given up in the last days.',
    labelNames: ['state'],
    registers: [metrics],
    collect: read,
  });
  const oldest = new Gauge({
    name: 'muniment_mail_oldest_seconds',
    help: 'Age of the oldest mail that waits to be sent.',
    registers: [metrics],
    collect: read,
  });
  const sent = new Counter({
    name: 'muniment_mails_sent_total',
    help: 'Mails that the mail server has taken.',
    labelNames: ['template'],
    registers: [metrics],
  });
  const failed = new Counter({
    name: 'muniment_mail_failures_total',
    help: 'Attempts to send a mail that failed, by whether it is tried again.',
    labelNames: ['outcome'],
    registers: [metrics],
  });
  return {
    sent: (template) => sent.inc({ template }),
    failed: (outcome) => failed.inc({ outcome }),
  };
}
