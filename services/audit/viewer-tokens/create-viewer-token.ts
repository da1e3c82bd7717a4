import { Type } from 'typebox';
import { uuidv7 } from '@muniment/database';
import {
  createViewerToken as generateToken,
  hashViewerToken,
  principalOf,
} from '@muniment/security';
import { defineRoute, strictObject } from '@muniment/server';
import { tenantIdSchema } from '../app-events/app-event.ts';
import type { AuditContext } from '../context.ts';
import { viewerTokenCreated } from './viewer-token-events.ts';
import { findValidTokenIds, insertViewerToken, type ViewerToken } from './viewer-token-queries.ts';
import { toViewerTokenResource, viewerTokenSchema } from './viewer-token-resource.ts';

const DEFAULT_TTL_S = 15 * 60;
const MAX_TTL_S = 24 * 60 * 60;

const bodySchema = strictObject({
  tenant_id: tenantIdSchema,
  expires_in: Type.Integer({
    minimum: 60,
    maximum: MAX_TTL_S,
    default: DEFAULT_TTL_S,
    description: 'Seconds.',
  }),
});

/** Creates a token that reads one tenant's events. The answer holds its only copy. */
export const createViewerToken = defineRoute({
  method: 'POST',
  url: '/api/audit/viewer-tokens',
  operation: 'viewer-tokens.create_viewer_token',
  summary: "Create a token for reading one tenant's events.",
  access: { permission: 'audit:write-events' },
  body: bodySchema,
  response: { 201: Type.Object({ ...viewerTokenSchema.properties, token: Type.String() }) },
  errors: [],
  replayWhile:
    ({ data: { db } }: Pick<AuditContext, 'data'>) =>
    async (answer) =>
      (await findValidTokenIds(db, [(answer as ViewerToken).id])).size === 1,
  handler:
    ({ data }: Pick<AuditContext, 'data'>) =>
    async (request, reply) => {
      const { tenant_id: tenantId, expires_in: ttlSeconds } = request.body;
      const token = generateToken();
      const created = await data.inTransaction(request, async (trx, record) => {
        const row = await insertViewerToken(trx, {
          id: uuidv7(Date.now()),
          tokenHash: hashViewerToken(token),
          tenantId,
          createdBy: principalOf(request).id,
          ttlSeconds,
        });
        await record(viewerTokenCreated(row));
        return row;
      });
      return reply.code(201).send({ ...toViewerTokenResource(created), token });
    },
});
