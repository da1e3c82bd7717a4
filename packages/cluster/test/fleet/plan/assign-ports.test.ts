import { createServer } from 'node:net';
import { test } from 'tap';
import { assignPorts } from '../../../src/fleet/plan/assign-ports.ts';
import { freePort } from '../../../src/free-port.ts';
import { folder } from '../fake-fleet.ts';

test('names keep their ports over starts, unless another program has taken one', async (t) => {
  const data = folder(t);
  const first = await assignPorts({ data, names: ['postgres', 'user-1'] });
  t.same(await assignPorts({ data, names: ['postgres', 'user-1'] }), first);
  t.match(
    await assignPorts({ data, names: ['postgres', 'user-1', 'user-2'] }),
    first,
    'a further replica does not change the others',
  );
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(first.postgres, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const third = await assignPorts({ data, names: ['postgres', 'user-1'] });
  t.not(third.postgres, first.postgres);
  t.equal(third['user-1'], first['user-1']);
});

test('a fixed port is used as it is', async (t) => {
  const port = await freePort();
  t.match(await assignPorts({ data: folder(t), names: ['postgres', 's3'], fixed: { s3: port } }), {
    s3: port,
  });
});

test('a port that the fleet uses for something else is not chosen', async (t) => {
  const data = folder(t);
  const first = await assignPorts({ data, names: ['user-1'] });
  const taken = [first['user-1'] ?? 0];
  t.not((await assignPorts({ data, names: ['user-1'], taken }))['user-1'], taken[0]);
});
