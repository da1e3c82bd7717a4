import type { Kysely } from 'kysely';
import type { ServiceContext } from './create-server.ts';

/** For the time of the move to groups: the context with its members flat beside them. */
export const flatServer = <DB>(context: ServiceContext<DB>) => ({
  ...context,
  app: context.http.app,
  log: context.http.log,
  problemOf: context.http.problemOf,
  db: context.data.db as Kysely<DB>,
  inTransaction: context.data.inTransaction,
  recordFor: context.audit.record,
  addOutbox: context.audit.addOutbox,
  kinesis: context.audit.kinesis,
  sessions: context.auth.sessions,
  sessionsLastSeen: context.auth.sessionsLastSeen,
  apiTokens: context.auth.apiTokens,
  apiTokensLastSeen: context.auth.apiTokensLastSeen,
  cookies: context.auth.cookies,
  keys: context.auth.keys,
  revocations: context.auth.revocations,
  revalidatePrincipal: context.auth.revalidate,
  localLimits: { consume: context.limits.consumeLocal },
  masterKey: context.crypto.masterKey,
  subjectKeys: context.crypto.subjectKeys,
  background: context.jobs.add,
  afterLoops: context.jobs.closeAfter,
});

export type Server<DB> = ReturnType<typeof flatServer<DB>>;
