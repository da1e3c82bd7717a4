import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { readConfig } from '../config.ts';

const least = {
  PORT: '0',
  DATABASE_URL: 'postgres://file_service@localhost/muniment',
  MASTER_KEY_FILE: '/k',
  GATEWAY_SECRET_FILE: '/g',
};

test('the settings have the documented defaults and are frozen', async (t) => {
  const config = readConfig(least);
  t.match(config, {
    S3_BUCKET: 'muniment-files',
    UPLOAD_MAX_BYTES: 52_428_800,
    DOWNLOAD_MODE: 'accel',
  });
  t.notOk('S3_ENDPOINT' in config);
  t.ok(Object.isFrozen(config));
});

test('a bad value stops the start and names its variable', async (t) => {
  for (const [name, value] of [
    ['DOWNLOAD_MODE', 'proxy'],
    ['UPLOAD_MAX_BYTES', '-1'],
    ['UPLOAD_BUFFERS', '1'],
    ['S3_ENDPOINT', 'localhost:9000'],
    ['UPLOAD_MAX_BYTES', '50MB'],
  ] as const) {
    t.throws(() => readConfig({ ...least, [name]: value }), new RegExp(name), `${name}=${value}`);
  }
});

test('a silent upload is answered before the gateway ends it by a reset', async (t) => {
  const nginx = join(import.meta.dirname, '../../../nginx/nginx.conf.template');
  const [, seconds] = /client_body_timeout (\d+)s;/.exec(readFileSync(nginx, 'utf8')) ?? [];
  t.ok(readConfig(least).UPLOAD_IDLE_TIMEOUT_MS < Number(seconds) * 1_000, `${seconds} s`);
});
