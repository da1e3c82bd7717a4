import { spawnSync } from 'node:child_process';
import { test, type Test } from 'tap';
import { Type } from 'typebox';
import { findPromtool, GATEWAY_HEADERS, SCRAPE } from '@muniment/testing';
import { addRoute } from '../add-route.ts';
import { build, type TestServer } from '../build.ts';
import { checkExposition } from '../exposition.ts';

const ID = '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b';

async function probe(t: Test): Promise<TestServer> {
  const server = await build(t);
  addRoute(server.app, {
    url: '/things/:id',
    operation: 'things.get_thing',
    query: Type.Object({}),
    handler: () => ({}),
  });
  addRoute(server.app, {
    method: 'POST',
    url: '/things/:id',
    operation: 'things.put_thing',
    access: { permission: 'files:write' },
    handler: () => ({}),
  });
  return server;
}

test('only the bearer token of Prometheus reads the metrics', async (t) => {
  const { app } = await build(t);
  const { authorization } = SCRAPE.headers;
  for (const [headers, challenge] of [
    [{}, 'Bearer realm="muniment"'],
    [{ authorization: `${authorization}x` }, /error="invalid_token"/],
    [{ authorization: 'Bearer x' }, /error="invalid_token"/],
    [{ authorization: authorization.replace('Bearer', 'Basic') }, /error="invalid_token"/],
    [{ ...GATEWAY_HEADERS }, 'Bearer realm="muniment"'],
  ] as const)
    for (const method of ['GET', 'HEAD'] as const) {
      const answer = await app.inject({ method, url: '/metrics', headers });
      t.equal(answer.statusCode, 401, `${method} ${JSON.stringify(headers)}`);
      t.match(answer.headers['www-authenticate'], challenge);
      t.notMatch(answer.body, 'process_cpu');
    }
  t.equal((await app.inject({ ...SCRAPE, method: 'HEAD' })).statusCode, 200);
});

test('without a token file nobody reads the metrics', async (t) => {
  const { app } = await build(t, { settings: { METRICS_TOKEN_FILE: '' } });
  t.equal((await app.inject(SCRAPE)).statusCode, 401);
});

test('the health routes need neither token nor secret', async (t) => {
  const { app } = await build(t);
  for (const url of ['/health/live', '/health/ready'])
    t.not((await app.inject(url)).statusCode, 401, url);
});

test('requests are counted by operation, method and status', async (t) => {
  const { app } = await probe(t);
  await app.inject(`/things/${ID}`);
  await app.inject(`/things/${ID}?secret=1`);
  await app.inject({ method: 'POST', url: `/things/${ID}` });
  const { body, headers } = await app.inject(SCRAPE);
  t.match(headers['content-type'], /^text\/plain; version=0\.0\.4/);
  t.match(
    body,
    'http_request_duration_seconds_count{service="user",operation="things.get_thing",method="GET",status="200"} 2',
  );
  t.match(
    body,
    'http_request_duration_seconds_count{service="user",operation="things.put_thing",method="POST",status="401"} 1',
  );
});

test('no label holds an id, a path or a query, and a scan of paths makes one series', async (t) => {
  const { app } = await probe(t);
  await app.inject(`/things/${ID}?secret=1`);
  for (let i = 0; i < 50; i += 1)
    await app.inject({ method: i % 2 ? 'PUT' : 'GET', url: `/wp-${i}.php` });
  const { body } = await app.inject(SCRAPE);
  t.notMatch(body, new RegExp(`${ID}|/things|secret|wp-`));
  t.equal(
    [
      ...body.matchAll(
        /^http_request_duration_seconds_count\{service="user",operation="unmatched".*$/gm,
      ),
    ]
      .map(([line]) => line)
      .join(),
    'http_request_duration_seconds_count{service="user",operation="unmatched",method="ANY",status="404"} 50',
  );
});

test('the exposition is well formed', async (t) => {
  const { app } = await probe(t);
  await app.inject(`/things/${ID}`);
  const { body } = await app.inject(SCRAPE);
  t.strictSame(checkExposition(body), []);
  t.ok(body.includes('process_cpu_seconds_total'), 'the process speaks, too');
});

const promtool = await findPromtool();

test('promtool has nothing to say against it', { skip: promtool.missing ?? false }, async (t) => {
  const { app } = await probe(t);
  await app.inject(`/things/${ID}`);
  const { body } = await app.inject(SCRAPE);
  const { status, stdout, stderr } = spawnSync(promtool.path ?? '', ['check', 'metrics'], {
    input: body,
    encoding: 'utf8',
  });
  t.equal(`${stdout}${stderr}`, '');
  t.equal(status, 0);
});

test('the check of the exposition sees what is wrong with one', (t) => {
  const family = '# HELP a_total Things.\n# TYPE a_total counter\n';
  t.strictSame(checkExposition(`${family}a_total{x="1"} 1\n`), []);
  const wrong: [string, string, RegExp][] = [
    ['no type', 'a 1\n', /no TYPE/],
    ['a series twice', `${family}a_total{x="1"} 1\na_total{x="1"} 2\n`, /twice/],
    ['no line end', `${family}a_total 1`, /line end/],
    ['no number', `${family}a_total one\n`, /not a sample/],
    ['a label unquoted', `${family}a_total{x=1} 1\n`, /not a sample/],
    [
      'a family split in two',
      `${family}a_total 1\n# HELP b B.\n# TYPE b gauge\nb 1\na_total{x="2"} 1\n`,
      /apart/,
    ],
    ['a counter without _total', '# HELP a A.\n# TYPE a counter\na 1\n', /_total/],
    ['a gauge with _total', '# HELP a_total A.\n# TYPE a_total gauge\na_total 1\n', /_total/],
    ['no help', '# TYPE a gauge\na 1\n', /no HELP/],
    [
      'a histogram that shrinks',
      '# HELP h H.\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n',
      /shrinks/,
    ],
    [
      'a histogram without +Inf',
      '# HELP h H.\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_sum 1\nh_count 2\n',
      /\+Inf/,
    ],
  ];
  for (const [name, text, fault] of wrong) t.match(checkExposition(text).join('\n'), fault, name);
  t.end();
});
