import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import type { Rows } from '@muniment/testing';
import { PASSWORD, shareFleet, type Fleet } from '../fleet.ts';
import { openDatabase } from '../stores.ts';

/** Its deliveries would go to another host. */
const NOT_SENT = new Set(['webhooks.create_webhook']);
/** What a request gets that does not fit its schema. */
const UNFIT = [400, 415];

type Named = Record<string, { value: unknown }>;

interface Operation {
  operationId: string;
  requestBody?: { content: Record<string, { example?: unknown; examples?: Named }> };
}

const file = join(import.meta.dirname, '../../../docs/openapi.json');
const { paths } = JSON.parse(readFileSync(file, 'utf8')) as {
  paths: Record<string, Record<string, Operation>>;
};
const examples = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).flatMap(([method, { operationId, requestBody }]) => {
    if (NOT_SENT.has(operationId)) return [];
    const { example, examples: named = {} } = requestBody?.content['application/json'] ?? {};
    const bodies = [example, ...Object.values(named).map(({ value }) => value)];
    return bodies
      .filter((json) => json !== undefined)
      .map((json) => ({ method: method.toUpperCase(), path, operationId, json }));
  }),
);

/** A new administrator for each request, since some end their session or account. */
async function signInAdmin(fleet: Fleet, rows: Rows): Promise<string> {
  const { user } = await fleet.signUp();
  await rows(`update identity.users set type = 'admin' where id = $1`, [user.id]);
  const answer = await fleet.call('POST', '/login', {
    json: { email: user.email, password: PASSWORD },
  });
  return ((await answer.json()) as { token: string }).token;
}

async function signUpVendor(fleet: Fleet, rows: Rows): Promise<string> {
  const { user } = await fleet.signUp();
  await rows(`update identity.users set type = 'vendor' where id = $1`, [user.id]);
  return user.id;
}

test('every route takes the example of its body', async (t) => {
  const fleet = await shareFleet();
  const rows = await openDatabase(t, fleet);
  t.ok(examples.length >= 20);
  for (const { method, path, operationId, json } of examples) {
    const token = await signInAdmin(fleet, rows);
    const url = path.replaceAll(/\{[^}]+\}/g, () => randomUUID());
    // Other tests of this fleet register the address of the examples.
    const own = JSON.stringify(json).replaceAll(/(alice|victor)@/g, `$1-${randomUUID()}@`);
    const body = JSON.parse(own) as Record<string, unknown>;
    // A profile is the caller's own, and an administrator has none.
    if (operationId === 'vendor-profiles.create_vendor_profile')
      body['user_id'] = await signUpVendor(fleet, rows);
    const answer = await fleet.call(method, url, { token, json: body });
    const text = await answer.text();
    t.notOk(UNFIT.includes(answer.status) || answer.status > 499, `${operationId}: ${text}`);
  }
});
