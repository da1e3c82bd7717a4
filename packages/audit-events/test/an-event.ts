import { createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import type { AuditEvent } from '../src/event.ts';
import { sealPersonal, type SubjectKey } from '../src/personal.ts';
import { uuidv7 } from '@muniment/database';

export const aKey = (subject: string = randomUUID()): SubjectKey => ({
  keyId: randomUUID(),
  subject,
  secret: createSecretKey(randomBytes(32)),
});

export function anEvent(more: Partial<AuditEvent> = {}, key: SubjectKey = aKey()): AuditEvent {
  const id = uuidv7(Date.now());
  return {
    version: 1,
    id,
    source: 'user',
    lane: 3,
    seq: 17,
    tenant_id: null,
    action: 'LOGIN_SUCCESS',
    outcome: 'success',
    user_id: randomUUID(),
    resource: 'user/1',
    resource_type: 'user',
    session_id: randomUUID(),
    request_id: 'r1',
    traceparent: null,
    metadata: { ü: [1, { z: 'ä', a: null }] },
    error: null,
    timestamp: new Date().toISOString(),
    personal: sealPersonal(id, { email: 'ada@example.com', ip: '192.0.2.1' }, key),
    ...more,
  };
}
