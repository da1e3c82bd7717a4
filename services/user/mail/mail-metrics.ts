import type { Kysely } from 'kysely';
import { Gauge, type Registry } from 'prom-client';
import { createCounter } from '@muniment/server';
import type { Tables } from '../tables.ts';
import { TEMPLATES } from './languages.ts';
import { findMailBacklog } from './mail-outbox-queries.ts';

export interface MailCounters {
  sent(template: string): void;
  failed(outcome: 'postponed' | 'dead'): void;
}

/** Measures the mail outbox. @returns counters for the attempts */
export function measureMails(db: Kysely<Tables>, metrics: Registry): MailCounters {
  measureBacklog(db, metrics);
  const sent = createCounter({
    name: 'muniment_mails_sent_total',
    help: 'Mails that the mail server accepted.',
    labels: { template: TEMPLATES },
    registers: [metrics],
  });
  const failed = createCounter({
    name: 'muniment_mail_failures_total',
    help: 'Failed attempts to send a mail, by whether it is tried again.',
    labels: { outcome: ['postponed', 'dead'] },
    registers: [metrics],
  });
  return {
    sent: (template) => sent.inc({ template }),
    failed: (outcome) => failed.inc({ outcome }),
  };
}

function measureBacklog(db: Kysely<Tables>, metrics: Registry): void {
  let reading: Promise<void> | undefined;
  /** One query for both gauges. NaN without a database, since old values would mislead. */
  async function read(): Promise<void> {
    reading ??= findMailBacklog(db)
      .catch(() => ({ waiting: NaN, dead: NaN, oldest_seconds: NaN }))
      .then(({ waiting, dead, oldest_seconds: oldestSeconds }) => {
        mails.set({ state: 'waiting' }, waiting);
        mails.set({ state: 'dead' }, dead);
        oldest.set(oldestSeconds);
        reading = undefined;
      });
    return reading;
  }
  const mails = new Gauge({
    name: 'muniment_mails',
    help: 'Mails that wait to be sent, and those given up in the last days.',
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
}
