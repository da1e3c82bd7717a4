import { Counter, Gauge, type Registry } from 'prom-client';
import { REVOCATION_KINDS, type Revocations, type SessionLookup } from '@muniment/security';
import type { RevocationFeed } from './revocation-feed.ts';

interface Measured {
  revocations: Revocations;
  feed: RevocationFeed;
  sessions: SessionLookup;
}

/** Measures the age and size of the set of revocations, and the lookups that replaced it. */
export function measureRevocations(
  registry: Registry,
  { revocations, feed, sessions }: Measured,
): void {
  measureSet(registry, revocations);
  measureFeed(registry, feed);
  measureLookups(registry, sessions);
}

function measureFeed(registry: Registry, feed: RevocationFeed): void {
  const counter = (name: string, help: string, read: () => number): void => {
    new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  };
  counter(
    'muniment_revocation_feed_connections_total',
    'Connections of the feed: one, and one more for each time that it was lost.',
    feed.connections,
  );
  counter(
    'muniment_revocations_unannounced_total',
    'Revocations that a heart-beat brought and no notification had: ' +
      'should they be many, notifications do not arrive.',
    feed.unannounced,
  );
}

function measureSet(registry: Registry, revocations: Revocations): void {
  new Gauge({
    name: 'muniment_revocation_feed_age_seconds',
    help:
      'How long ago the set of revocations was known to be complete; ' +
      'past 0.75 the database is asked, and at rest it is up to 5.3.',
    registers: [registry],
    collect() {
      this.set(revocations.ageMs() / 1_000);
    },
  });
  new Gauge({
    name: 'muniment_revocations',
    help: 'Revocations that this replica holds, by kind.',
    labelNames: ['kind'],
    registers: [registry],
    collect() {
      for (const kind of REVOCATION_KINDS) this.set({ kind }, revocations.size(kind));
    },
  });
}

function measureLookups(registry: Registry, sessions: SessionLookup): void {
  new Counter({
    name: 'muniment_session_lookups_total',
    help:
      'Sessions looked up in the database, ' +
      'because the feed was stale or because their user had changed.',
    labelNames: ['reason'],
    registers: [registry],
    collect() {
      this.reset();
      const { stale, user_changed } = sessions.lookups();
      this.inc({ reason: 'stale' }, stale);
      this.inc({ reason: 'user_changed' }, user_changed);
    },
  });
}
