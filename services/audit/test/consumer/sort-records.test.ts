import { test } from 'tap';
import { sortRecords } from '../../consumer/sort-records.ts';
import { aRecord, anEvent } from '../records.ts';

test('events, repeats and other records are separated in order', async (t) => {
  const events = [1, 2, 3].map((seq) => anEvent({ seq }));
  const [first = anEvent(), ...rest] = events;
  const rival = anEvent({ seq: 2 });
  const sorted = await sortRecords([
    aRecord(first),
    aRecord('nonsense'),
    ...rest.map(aRecord),
    aRecord(first),
    aRecord(rival),
  ]);
  t.same(
    sorted.events.map(({ event }) => event),
    [...events, rival],
  );
  t.same(
    sorted.repeats.map(({ event }) => event),
    [first],
  );
  t.match(sorted.quarantined, [{ reason: 'unreadable', detail: /JSON/, counted: false }]);
});

test('a large batch lets other work through while it is decoded', async (t) => {
  const records = Array.from({ length: 1_000 }, (_, index) => aRecord(anEvent({ seq: index + 1 })));
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 0);
  await sortRecords(records);
  clearInterval(timer);
  t.ok(turns >= 3, `${turns} turns`);
});
