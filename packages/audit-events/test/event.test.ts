import { test } from 'tap';
import { eventFault, laneOf } from '../src/event.ts';
import { anEvent } from './an-event.ts';

test('a subject keeps its lane for ever: these vectors may never change', (t) => {
  t.same(
    ['user-1', 'address:abc', '018f0000-0000-7000-8000-000000000001', ''].map(laneOf),
    [4, 15, 11, 2],
  );
  t.end();
});

test('an event as we make it has no fault', (t) => {
  t.equal(eventFault(anEvent()), undefined);
  t.equal(
    eventFault(anEvent({ personal: null, user_id: null, session_id: null, traceparent: null })),
    undefined,
  );
  t.end();
});

test('each breach of the contract is named', (t) => {
  const breaches: [object, RegExp][] = [
    [{ version: 2 }, /version/],
    [{ seq: 0 }, /seq/],
    [{ seq: 1.5 }, /seq/],
    [{ seq: '1' }, /seq/],
    [{ lane: 16 }, /lane/],
    [{ source: 'other' }, /source/],
    [{ action: 'lower' }, /action/],
    [{ outcome: 'maybe' }, /outcome/],
    [{ id: 'x' }, /id/],
    [{ user_id: 'x' }, /user_id/],
    [{ metadata: [] }, /metadata/],
    [{ error: 'x'.repeat(1_001) }, /error/],
    [{ timestamp: '2026-01-01' }, /timestamp/],
    [{ timestamp: '2026-02-31T00:00:00.000Z' }, /timestamp/],
    [{ timestamp: '0000-01-01T00:00:00.000Z' }, /timestamp/],
    [{ personal: { subject: 'x' } }, /personal/],
    [{ extra: 1 }, /additional/],
    [{ request_id: '' }, /request_id/],
    [{ metadata: { a: JSON.parse('['.repeat(40) + ']'.repeat(40)) } }, /nested/],
  ];
  for (const [breach, named] of breaches)
    t.match(eventFault({ ...anEvent(), ...breach }) ?? 'none', named, JSON.stringify(breach));
  t.match(eventFault(null), /object/);
  t.end();
});
