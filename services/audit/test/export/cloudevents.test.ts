import { test } from 'tap';
import { cloudevents } from '../../export/cloudevents.ts';
import { aRow, written } from './rows.ts';

test('each line is a CloudEvent 1.0 with the names and values of the specification', async (t) => {
  const lines = (
    await written(cloudevents, [
      aRow(0, {
        action: 'FILE_UPLOAD',
        resource: 'file/1',
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      }),
      aRow(12, {}, null),
    ])
  )
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  t.match(lines, [
    {
      specversion: '1.0',
      source: '/muniment/user',
      type: 'dev.muniment.audit.FILE_UPLOAD',
      subject: 'file/1',
      datacontenttype: 'application/json',
      sequence: '0000000000000000',
      data: { index: 0, email: 'ada@example.com' },
    },
    { sequence: '0000000000000012', data: { index: 12, email: null } },
  ]);
  for (const line of lines) {
    for (const [name, value] of Object.entries(line)) {
      t.match(name, /^[a-z0-9]{1,20}$/);
      t.not(value, null, `${name} is absent rather than null`);
      if (name !== 'data') t.equal(typeof value, 'string');
    }
    t.match(line, { id: /^[0-9a-f-]{36}$/, time: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/ });
  }
  t.notOk('subject' in (lines[1] ?? {}));
});
