import { test, type Test } from 'tap';
import Fastify from 'fastify';
import { validateStrictly } from '../../../../packages/server/src/http/validation.ts';
import { actionName } from '../../app-events/app-event.ts';
import { createBodyCheck } from '../../app-events/check-body.ts';

const NOW = Date.parse('2026-11-21T12:00:00.000Z');
const EVENT = { id: 'e1', tenant_id: 'acme', action: 'user.signed_in' };

async function createCheck(t: Test): Promise<ReturnType<typeof createBodyCheck>> {
  const app = Fastify();
  t.teardown(() => app.close());
  validateStrictly(app);
  await app.ready();
  if (!app.validatorCompiler) throw new Error('no compiler');
  return createBodyCheck(app.validatorCompiler, () => NOW);
}

test('actions in several spellings have one form', (t) => {
  for (const [given, stored] of Object.entries({
    'user.signed_in': 'USER_SIGNED_IN',
    'user.signedIn': 'USER_SIGNED_IN',
    'invitation-created': 'INVITATION_CREATED',
    USER_SIGNED_IN: 'USER_SIGNED_IN',
    LOGIN2X: 'LOGIN2X',
    'iam:CreateUser': 'IAM_CREATE_USER',
    'project/file.v2Uploaded': 'PROJECT_FILE_V2_UPLOADED',
    login: 'LOGIN',
  })) {
    t.equal(actionName(given), stored, given);
    t.match(actionName(given), /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/);
  }
  t.end();
});

test('one event or a batch becomes a list with default outcomes', async (t) => {
  const check = await createCheck(t);
  t.match(check({ ...EVENT }), {
    value: { batch: false, events: [{ ...EVENT, outcome: 'success' }] },
  });
  t.match(check({ events: [{ ...EVENT }, { ...EVENT, id: 'e2' }] }), {
    value: { batch: true, events: [{ id: 'e1' }, { id: 'e2' }] },
  });
  t.match(
    check({
      ...EVENT,
      outcome: 'failure',
      error: null,
      actor: { id: 'u1', type: 'user', name: 'Ada', email: 'ada@example.com' },
      resource: 'invoice/7',
      resource_type: 'invoice',
      occurred_at: '2026-11-21T12:04:59+00:00',
      metadata: { deep: { er: [1, null, 'x'] } },
      personal: { ip: '2001:db8::1', user_agent: 'x'.repeat(2_000), phone: '+1 555', email: null },
    }),
    { value: {} },
  );
  t.match(check({ ...EVENT, actor: { id: 'u1', name: 'Ada' }, personal: { subject: 'u1' } }), {
    value: {},
  });
});

test('each fault names its event and its field', async (t) => {
  const check = await createCheck(t);
  const nested = (levels: number): unknown => (levels === 0 ? 1 : { a: nested(levels - 1) });
  for (const [more, pointer] of [
    [{ id: '' }, '/id'],
    [{ id: 'x'.repeat(129) }, '/id'],
    [{ id: 7 }, '/id'],
    [{ id: 'a\nb' }, '/id'],
    [{ tenant_id: null }, '/tenant_id'],
    [{ tenant_id: 'x'.repeat(201) }, '/tenant_id'],
    [{ action: '' }, '/action'],
    [{ action: 'user..login' }, '/action'],
    [{ action: '1login' }, '/action'],
    [{ action: 'user login' }, '/action'],
    [{ action: 'ä' }, '/action'],
    [{ action: 'aB'.repeat(50) }, '/action'],
    [{ outcome: 'maybe' }, '/outcome'],
    [{ unknown: 1 }, ''],
    [{ user_id: 'x' }, ''],
    [{ actor: 'u1' }, '/actor'],
    [{ actor: { name: 'Ada' } }, '/actor'],
    [{ resource: 'ä'.repeat(300) }, '/resource'],
    [{ error: 'ä'.repeat(600) }, '/error'],
    [{ occurred_at: 'yesterday' }, '/occurred_at'],
    [{ occurred_at: 1_700_000_000 }, '/occurred_at'],
    [{ occurred_at: '2026-11-21T12:05:01Z' }, '/occurred_at'],
    [{ occurred_at: '1970-01-01T00:00:00Z' }, '/occurred_at'],
    [{ metadata: [] }, '/metadata'],
    [{ metadata: { event: 1 } }, '/metadata/event'],
    [{ metadata: { deep: nested(31) } }, '/metadata/deep'],
    [{ metadata: { big: [Infinity] } }, '/metadata/big'],
    [{ personal: { ip: 'x' }, actor: { id: 'u' } }, '/personal/ip'],
    [{ personal: { phone: '+1' } }, '/personal/subject'],
    [{ personal: { note: 'ä'.repeat(300) }, actor: { id: 'u' } }, '/personal/note'],
    [{ personal: { actor_name: 'x' }, actor: { id: 'u' } }, '/personal/actor_name'],
    [{ personal: { 'a/b~': 1 }, metadata: { 'a/b~': 1 }, actor: { id: 'u' } }, '/personal/a~1b~0'],
    [{ personal: { subject: 'other' }, actor: { id: 'u', email: 'a@b.example' } }, '/actor'],
    [
      { personal: { email: 'c@d.example' }, actor: { id: 'u', email: 'a@b.example' } },
      '/personal/email',
    ],
    [{ personal: { subject: '' } }, '/personal/subject'],
  ] as const) {
    const bad = { ...EVENT, ...more };
    const single = check(structuredClone(bad));
    t.match(single, { error: [{ instancePath: pointer }] }, JSON.stringify(more).slice(0, 80));
    t.match(check({ events: [{ ...EVENT }, bad] }), {
      error: [{ instancePath: `/events/1${pointer}` }],
    });
  }
  t.match(check({ events: [{ ...EVENT, id: '' }, { ...EVENT }, { ...EVENT, action: '' }] }), {
    error: [{ instancePath: '/events/0/id' }, { instancePath: '/events/2/action' }],
  });
});

test('a body that is neither an event nor a batch gets one fault', async (t) => {
  const check = await createCheck(t);
  for (const body of [null, 'x', 7, [], [EVENT], true])
    t.match(check(body), { error: [{ instancePath: '' }] }, JSON.stringify(body));
  for (const events of [null, {}, [], 'x', Array.from({ length: 501 }, () => EVENT)])
    t.match(check({ events }), { error: [{ instancePath: '/events' }] });
  t.match(check({ events: [EVENT], tenant_id: 'acme' }), {
    error: [{ instancePath: '/tenant_id' }],
  });
  const many = check({ events: Array.from({ length: 500 }, () => ({})) });
  t.equal('error' in many && many.error.length, 20);
});
