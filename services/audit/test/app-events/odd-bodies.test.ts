import { test } from 'tap';
import { build } from '../build.ts';

const EVENT = {
  id: 'evt-1',
  tenant_id: 'acme',
  action: 'invoice.paid',
  actor: { id: 'u17', type: 'user', name: 'Ada', email: 'ada@customer.example' },
  resource: 'invoice/7',
  resource_type: 'invoice',
  occurred_at: '2026-11-20T08:00:00+02:00',
  metadata: { amount: 5 },
  personal: { ip: '192.0.2.44', phone: '+1 555 0100' },
};
const FIELDS = [...Object.keys(EVENT), 'outcome', 'error', 'more'];
const NESTED_NAMES = ['id', 'subject', 'email', 'ip', 'toString', 'constructor', 'event', 'x'];
const ROUNDS = 600;

/** Minimal standard generator (Park and Miller), so that a failure can be repeated. */
function createRandom(seed: number): () => number {
  const state = { value: seed };
  return () => (state.value = (state.value * 48_271) % 2_147_483_647) / 2_147_483_647;
}

const random = createRandom(7);
const below = (limit: number): number => Math.floor(random() * limit);
const pick = <Value>(values: readonly Value[]): Value => values[below(values.length)] as Value;

const SCALARS: (() => unknown)[] = [
  () => null,
  () => true,
  () => -0,
  () => 1e308,
  () => Number.MAX_VALUE,
  () => '',
  () => 'x'.repeat(below(2_000)),
  () => 'äöü\u{1f600}',
  () => '2026-11-21T00:00:00Z',
  () => 'acme',
  () => 'user.login',
  () => '192.0.2.1',
  () => '\ud800',
  () => '\0',
];

function randomValue(depth: number): unknown {
  const inner = (): unknown => randomValue(depth - 1);
  const array = (): unknown => (depth === 0 ? 0 : Array.from({ length: below(4) }, inner));
  const object = (): unknown =>
    depth === 0
      ? {}
      : Object.fromEntries(Array.from({ length: below(5) }, () => [pick(NESTED_NAMES), inner()]));
  return pick([...SCALARS, array, object])();
}

function randomBody(round: number): unknown {
  const mutated = (): unknown => ({
    ...EVENT,
    id: `p-${round}`,
    ...Object.fromEntries(
      FIELDS.filter(() => random() < 0.15).map((field) => [field, randomValue(3)]),
    ),
  });
  return pick<() => unknown>([
    () => mutated(),
    () => ({ events: [mutated(), mutated()] }),
    () => randomValue(4),
    () => ({ events: randomValue(3) }),
  ])();
}

test('no body gets a 5xx', async (t) => {
  const { server, signIn } = await build(t);
  const { token } = await signIn('admin');
  const post = (payload: string) =>
    server.http.app.inject({
      method: 'POST',
      url: '/api/audit/events',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      payload,
    });
  const statuses = new Map<number, number>();
  for (let round = 0; round < ROUNDS; round += 1) {
    const payload = JSON.stringify(randomBody(round));
    const { statusCode, body } = await post(payload);
    statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1);
    if (statusCode >= 500) t.fail(`${statusCode} ${body} for ${payload}`);
  }
  const nested = `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`;
  for (const payload of [
    '',
    '{',
    '[[[[',
    '{"id":1e999}',
    JSON.stringify(EVENT).replace('5', '1e999'),
    '['.repeat(100_000),
    `{"metadata":${nested},"id":"x","tenant_id":"a","action":"b"}`,
    '{"__proto__":{}}',
    '\ufeff{}',
  ]) {
    const { statusCode } = await post(payload);
    t.ok(statusCode >= 400 && statusCode < 500, `${statusCode} for ${payload.slice(0, 20)}`);
  }
  t.ok(
    (statuses.get(201) ?? 0) > 20 && (statuses.get(400) ?? 0) > 100,
    JSON.stringify([...statuses]),
  );
});
