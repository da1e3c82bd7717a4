import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type Test } from 'tap';

const folder = join(import.meta.dirname, '../../docker/object-store');

const SECRETS = {
  s3_root_user: 'root',
  s3_root_password: 'root-password\n',
  s3_access_key_id: 'files-user\n',
  s3_secret_access_key: 'files-password\n',
  s3_audit_access_key_id: 'audit-user\n',
  s3_audit_secret_access_key: 'audit-password\n',
};

/** A stand-in for mc that writes down its words. `failing` is a command that it refuses. */
const mc = (log: string, failing: string, entities: string): string => `#!/bin/sh
printf '%s\\n' "$*" >> '${log}'
case "$*" in
  "admin policy entities"*) printf '%s\\n' '${entities}' ;;
  "${failing}"*) exit 1 ;;
esac
`;

interface Run {
  status: number | null;
  stderr: string;
  calls: string[];
  policies: Record<string, string>;
}

/** Runs the script where no program but the shell and mc is found, as in MinIO's image. */
function prepare(t: Test, { failing = 'nothing', entities = '' } = {}): Run {
  const dir = t.testdir({ bin: {}, secrets: SECRETS, scratch: {} });
  const log = join(dir, 'calls');
  writeFileSync(join(dir, 'bin/mc'), mc(log, failing, entities));
  chmodSync(join(dir, 'bin/mc'), 0o755);
  const { status, stderr } = spawnSync('/bin/sh', [join(folder, 'prepare.sh')], {
    encoding: 'utf8',
    env: {
      PATH: join(dir, 'bin'),
      SECRETS: join(dir, 'secrets'),
      POLICIES: folder,
      SCRATCH: join(dir, 'scratch'),
      S3_BUCKET: 'files-bucket',
      AUDIT_BUCKET: 'audit-bucket',
    },
  });
  const read = (file: string): string => {
    try {
      return readFileSync(file, 'utf8');
    } catch {
      return '';
    }
  };
  return {
    status,
    stderr,
    calls: read(log).trimEnd().split('\n'),
    policies: Object.fromEntries(
      ['policy.json', 'audit-policy.json'].map((name) => [name, read(join(dir, 'scratch', name))]),
    ),
  };
}

test('the buckets are prepared with the shell and mc alone', (t) => {
  const { status, stderr, calls } = prepare(t);
  t.equal(status, 0, stderr);
  t.equal(stderr, '');
  t.same(
    calls.map((call) => call.replace(/(?<= )\/.+\/scratch\//, '')),
    [
      'alias set store http://minio:9000 root root-password',
      'mb --ignore-existing store/files-bucket',
      'admin user add store files-user files-password',
      'admin policy create store files-user policy.json',
      'admin policy attach store files-user --user files-user',
      'mb --ignore-existing --with-lock store/audit-bucket',
      'admin user add store audit-user audit-password',
      'admin policy create store audit-user audit-policy.json',
      'admin policy attach store audit-user --user audit-user',
    ],
  );
  t.end();
});

test('each policy names its own bucket at every place', (t) => {
  const { policies } = prepare(t);
  for (const [name, bucket] of [
    ['policy.json', 'files-bucket'],
    ['audit-policy.json', 'audit-bucket'],
  ] as const) {
    const template = readFileSync(join(folder, name), 'utf8');
    t.same(JSON.parse(policies[name] ?? ''), JSON.parse(template.replaceAll('BUCKET', bucket)));
  }
  t.end();
});

test('a policy that is attached already is no failure', (t) => {
  const { status, stderr } = prepare(t, {
    failing: 'admin policy attach',
    entities: 'files-user audit-user',
  });
  t.equal(status, 0, stderr);
  t.end();
});

test('a policy that cannot be attached fails the job', (t) => {
  const { status, stderr } = prepare(t, { failing: 'admin policy attach', entities: 'nobody' });
  t.equal(status, 1);
  t.match(stderr, /The policy files-user could not be attached to its user\./);
  t.end();
});

test('a user that cannot be made fails the job', (t) => {
  t.equal(prepare(t, { failing: 'admin user add' }).status, 1);
  t.end();
});
