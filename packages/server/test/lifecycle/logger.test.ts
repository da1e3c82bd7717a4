import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'tap';

const logger = join(import.meta.dirname, '../../src/lifecycle/logger.ts');

/** Runs statements with a `log` in a process of their own, since the logger writes to standard output, and reads its lines. */
function logged(statements: string, level = 'info'): Record<string, unknown>[] {
  const script = `
    import { createLogger } from ${JSON.stringify(logger)};
    const log = createLogger({ LOG_LEVEL: ${JSON.stringify(level)}, REPLICA: 'user-7' }, 'user');
    ${statements}`;
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', script],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(stderr);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

test('a line names the service and the replica and has a readable time', (t) => {
  const [line] = logged(`log.info({ operation: 'file.upload' }, 'done');`);
  t.match(line, {
    service: 'user',
    replica: 'user-7',
    pid: Number,
    operation: 'file.upload',
    msg: 'done',
    time: /^\d{4}-\d{2}-\d{2}T[\d:.]+Z$/,
  });
  t.end();
});

test('secrets are redacted at the top and one level down', (t) => {
  const lines = logged(`
    for (const name of ['password', 'token', 'refresh_token', 'authorization', 'cookie', 'secret']) {
      log.info({ [name]: 'hunter2' });
      log.info({ body: { [name]: 'hunter2' } });
    }
    log.info({ body: { current_password: 'hunter2', new_password: 'hunter2' } });
    log.info({ req: { headers: { authorization: 'Bearer hunter2', cookie: 'hunter2' } } });
    log.info({ headers: { authorization: 'Bearer hunter2', cookie: 'hunter2' } });`);
  t.equal(lines.length, 15);
  for (const line of lines) {
    t.notMatch(JSON.stringify(line), 'hunter2');
    t.match(JSON.stringify(line), '[redacted]');
  }
  t.end();
});

test('a database error is logged without the row it failed on', (t) => {
  const lines = logged(`
    const error = Object.assign(new Error('duplicate key value violates unique constraint "users_email_key"'), {
      code: '23505', detail: 'Key (email_key)=(ada@example.com) already exists.', where: 'ada@example.com', parameters: ['ada@example.com'] });
    log.error({ err: Object.assign(new Error('could not register', { cause: error }), { detail: 'ada@example.com' }) }, 'request failed');
    log.error({ err: error });`);
  t.equal(lines.length, 2);
  t.notMatch(JSON.stringify(lines), 'ada@example.com');
  t.match(lines[1], { err: { message: /users_email_key/, code: '23505' } });
  t.end();
});

test('below the level nothing is written', (t) => {
  t.strictSame(
    logged(`log.info('x'); log.warn('y');`, 'warn').map(({ msg }) => msg),
    ['y'],
  );
  t.strictSame(logged(`log.fatal('x');`, 'silent'), []);
  t.end();
});
