import { Readable } from 'node:stream';
import { test } from 'tap';
import { until } from '@muniment/testing';
import { build, type Fixture } from '../build.ts';
import { upload } from '../forms.ts';

const STREAM_MODE = { DOWNLOAD_MODE: 'stream' };

/** Runs `before` ahead of each GET from S3. @returns the bodies that S3 answered with */
function watchObjects({ files }: Fixture, before: () => Promise<void>): Readable[] {
  const bodies: Readable[] = [];
  files.store.s3.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        if (commandName !== 'GetObjectCommand') return next(args);
        await before();
        const result = await next(args);
        if ('Body' in result.output && result.output.Body instanceof Readable)
          bodies.push(result.output.Body);
        return result;
      },
    { step: 'initialize' },
  );
  return bodies;
}

test('stream mode: a file that is purged after its row was read is not found', async (t) => {
  const fixture = await build(t, STREAM_MODE);
  const { app, signIn, events, stored } = fixture;
  const user = await signIn();
  const file = await upload(app, user, 'bytes');
  const request = { url: `/api/files/${file.id}`, headers: user.headers };
  await fixture.listen();
  watchObjects(fixture, async () => {
    t.equal((await app.inject({ method: 'DELETE', ...request })).statusCode, 204);
    await until(async () => (await stored()).objects.length === 0, { what: 'the purge' });
  });
  t.match(await app.inject(request), { statusCode: 404 });
  t.notOk((await events()).some(({ action }) => action === 'FILE_DOWNLOAD'));
});

test('stream mode: an object is not left open when the event cannot be recorded', async (t) => {
  const fixture = await build(t, STREAM_MODE);
  const { app, signIn, query } = fixture;
  const user = await signIn();
  const file = await upload(app, user, Buffer.alloc(3 * 1024 ** 2));
  const bodies = watchObjects(fixture, async () => {});
  await query(`
    create function files.refuse() returns trigger language plpgsql
      as $$ begin raise exception 'refused'; end $$;
    create trigger refuse before insert on files.outbox
      for each row execute function files.refuse()`);
  const answer = await app.inject({ url: `/api/files/${file.id}`, headers: user.headers });
  t.equal(answer.statusCode, 500);
  t.equal(bodies.length, 1);
  t.ok(bodies[0]?.destroyed);
});
