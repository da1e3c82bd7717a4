import { test } from 'tap';
import { Type } from 'typebox';
import { loadConfig, serverSettings, splitList } from '../../src/index.ts';

const schema = Type.Object(serverSettings);
const least = {
  PORT: '8081',
  DATABASE_URL: 'postgres://user_service:hunter2@localhost/muniment',
  MASTER_KEY_FILE: '/run/master.key',
  GATEWAY_SECRET_FILE: '/run/gateway-secret',
};

test('with the least that is needed, everything else has its default and numbers are numbers', (t) => {
  t.match(loadConfig(schema, least), {
    HOST: '127.0.0.1',
    PORT: 8081,
    LOG_LEVEL: 'info',
    SHUTDOWN_TIMEOUT_MS: 30_000,
    DATABASE_POOL_MAX: 10,
    CORS_ORIGINS: '',
    KINESIS_STREAM: 'audit-events',
    TRUSTED_PROXIES: '127.0.0.1/32,::1/128',
  });
  t.end();
});

test('a variable that is missing or malformed is named, and no value is shown', (t) => {
  const cases: [string, string | undefined][] = [
    ['PORT', undefined],
    ['PORT', 'secret-text'],
    ['PORT', '-1'],
    ['PORT', '65536'],
    ['PORT', '80.5'],
    ['DATABASE_URL', undefined],
    ['DATABASE_URL', 'mysql://root:hunter2@localhost'],
    ['MASTER_KEY_FILE', undefined],
    ['GATEWAY_SECRET_FILE', undefined],
    ['LOG_LEVEL', 'hunter2'],
    ['DATABASE_POOL_MAX', '1'],
    ['DATABASE_POOL_MAX', 'hunter2'],
    ['DATABASE_DIRECT_URL', 'mysql://root:hunter2@localhost'],
    ['SHUTDOWN_TIMEOUT_MS', '-5'],
    ['BODY_LIMIT_BYTES', '10'],
  ];
  for (const [name, value] of cases) {
    let message = '';
    try {
      loadConfig(schema, { ...least, [name]: value });
    } catch (error) {
      message = String(error);
    }
    t.match(message, name, `${name}=${value}`);
    t.notMatch(message, /hunter2|secret-text|mysql/);
  }
  t.end();
});

test('an empty variable counts as absent', (t) => {
  t.equal(loadConfig(schema, { ...least, LOG_LEVEL: '', KINESIS_ENDPOINT: '' }).LOG_LEVEL, 'info');
  t.notOk('KINESIS_ENDPOINT' in loadConfig(schema, { ...least, KINESIS_ENDPOINT: '' }));
  t.throws(() => loadConfig(schema, { ...least, DATABASE_URL: '' }), /DATABASE_URL/);
  t.end();
});

test('the settings are frozen, and hold nothing of the environment beside them', (t) => {
  const config = loadConfig(schema, { ...least, AWS_SESSION_TOKEN: 'hunter2', PATH: '/bin' });
  t.throws(() => {
    (config as { PORT: number }).PORT = 1;
  }, TypeError);
  t.notOk('AWS_SESSION_TOKEN' in config || 'PATH' in config);
  t.end();
});

test("the process's own environment fills no gap", (t) => {
  process.env.KINESIS_STREAM = 'from-the-process';
  t.teardown(() => {
    delete process.env.KINESIS_STREAM;
  });
  t.equal(loadConfig(schema, least).KINESIS_STREAM, 'audit-events');
  t.end();
});

test('every setting has a description, every secret is marked, and what is not required has a default', (t) => {
  for (const [name, setting] of Object.entries(schema.properties) as [
    string,
    { description?: string; default?: unknown; writeOnly?: boolean },
  ][]) {
    t.ok(setting.description, name);
    // The path of a file is no secret.
    if (/PASSWORD|SECRET|ACCESS_KEY|DATABASE_URL/.test(name) && !name.endsWith('_FILE'))
      t.ok(setting.writeOnly, name);
  }
  t.end();
});

test('a list loses its blanks', (t) => {
  t.strictSame(splitList(' a, b ,,c '), ['a', 'b', 'c']);
  t.strictSame(splitList(''), []);
  t.end();
});
