import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'tap';
import { lastLines } from '../../../src/fleet/supervisor/last-lines.ts';
import { folder } from '../fake-fleet.ts';

test('the last lines of a large log, and none of a missing one', (t) => {
  const file = path.join(folder(t), 'a.log');
  writeFileSync(file, Array.from({ length: 100_000 }, (_, n) => `line ${n}`).join('\n') + '\n');
  t.same(lastLines(file, 2), ['line 99998', 'line 99999']);
  t.same(lastLines(`${file}.none`, 2), []);
  t.end();
});
