import { test } from 'tap';
import { uuidv7 } from '../src/ids.ts';

test('the example of RFC 9562 (appendix A.6) comes out', (t) => {
  t.equal(
    uuidv7(0x017f22e279b0, Buffer.from('0cc318c4dc0c0c07398f', 'hex')),
    '017f22e2-79b0-7cc3-98c4-dc0c0c07398f',
  );
  t.end();
});

test('ids sort by their time and differ within a millisecond', (t) => {
  t.ok(uuidv7(1_000) < uuidv7(1_001));
  t.equal(new Set(Array.from({ length: 10_000 }, () => uuidv7(5))).size, 10_000);
  const made = Array.from({ length: 2_000 }, () => uuidv7(6));
  t.same(made, made.toSorted());
  t.ok(uuidv7(7, Buffer.alloc(10)) < uuidv7(7), 'given bits are kept as they are');
  t.match(
    uuidv7(Date.now()),
    /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  t.end();
});
