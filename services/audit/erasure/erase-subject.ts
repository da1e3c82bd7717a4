import { Type } from 'typebox';
import { defineRoute, strictObject } from '@muniment/server';
import { subjectSchema, tenantIdSchema } from '../app-events/app-event.ts';
import { subjectName } from '../app-events/subject-name.ts';
import type { AuditContext } from '../context.ts';
import { JournalUnavailable } from '../errors.ts';
import { deleteSubjectTraces, destroySubjectKey } from './erase-app-subject.ts';
import { tenantSubjectErased } from './erasure-events.ts';
import { journalErasure } from './journal.ts';

const bodySchema = strictObject({ tenant_id: tenantIdSchema, subject: subjectSchema });

/** Makes a subject's personal values unreadable, also in later events. Idempotent. */
export const eraseSubject = defineRoute({
  method: 'POST',
  url: '/api/audit/erasures',
  operation: 'erasure.erase_subject',
  summary: "Erase the personal values of a tenant's subject.",
  access: { permission: 'audit:write-events' },
  body: bodySchema,
  response: { 204: Type.Null() },
  errors: [JournalUnavailable],
  handler:
    (context: Pick<AuditContext, 'data' | 'crypto' | 'searchTerms' | 'bucket'>) =>
    async (request, reply) => {
      const { tenant_id: tenantId, subject } = request.body;
      const keyedHash = await context.searchTerms.loadKeyedHash();
      const name = subjectName(keyedHash, tenantId, subject);
      // The journal first: a restored backup could undo an erasure that it lacks.
      await journalErasure(context.bucket, name).catch((cause: unknown) => {
        throw Object.assign(new JournalUnavailable(), { cause });
      });
      await destroySubjectKey(context, name);
      await context.data.inTransaction(request, async (trx, record) => {
        const searchTerms = await deleteSubjectTraces(trx, name);
        await record(tenantSubjectErased(name, { tenantId, searchTerms }));
      });
      return reply.code(204).send(null);
    },
});
