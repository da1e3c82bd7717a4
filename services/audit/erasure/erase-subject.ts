import { Type } from 'typebox';
import { subjectName } from '../app-events/subject-name.ts';
import { subjectSchema, tenantIdSchema } from '../app-events/app-event.ts';
import { destroySubjectKey, forgetSubject } from './erase-app-subject.ts';
import type { AuditContext } from '../context.ts';
import { journalErasure } from './journal.ts';
import { JournalUnavailable } from '../errors.ts';

const bodySchema = Type.Object(
  { tenant_id: tenantIdSchema, subject: subjectSchema },
  { additionalProperties: false },
);

/**
 * `POST /api/audit/erasures`: makes the personal values of a tenant's subject unreadable for good, in the events there are and in those to come. Done when
 * it answers; calling it again does nothing but say so once more.
 */
export function eraseSubjectRoute(server: AuditContext): void {
  const { app, bucket, inTransaction, searchTerms } = server;
  app.route({
    method: 'POST',
    url: '/api/audit/erasures',
    schema: { body: bodySchema, response: { 204: Type.Null() } },
    config: { operation: 'audit.erase-subject', access: { permission: 'audit:write-events' } },
    handler: async (request, reply) => {
      const { tenant_id: tenantId, subject } = request.body;
      const name = subjectName(await searchTerms.loadKeyedHash(), tenantId, subject);
      // Before all else: an erasure that a restored backup could undo must not be answered as done.
      await journalErasure(bucket, name).catch((cause: unknown) => {
        throw Object.assign(new JournalUnavailable(), { cause });
      });
      await destroySubjectKey(server, name);
      await inTransaction(request, async (trx, record) => {
        await record({
          action: 'SUBJECT_ERASED',
          tenant_id: tenantId,
          resource: name,
          resource_type: 'subject',
          metadata: await forgetSubject(trx, name),
        });
      });
      return reply.code(204).send(null);
    },
  });
}
