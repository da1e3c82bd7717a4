import {
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { type Test, test } from 'tap';
import { ensureNginx, findProgram } from '../../src/nginx/ensure-nginx.ts';
import { folder } from '../fleet/fake-fleet.ts';

const ROOT = process.getuid?.() === 0;

// A machine without nginx. Its apt-get logs its arguments and asks the policy as nginx's postinst does.
function machine(
  t: Test,
  aptGet: string,
): {
  bin: string;
  policy: string;
  calls: () => string[];
  ensure: () => Promise<string>;
  told: string[];
} {
  const data = folder(t);
  const bin = path.join(data, 'bin');
  const policy = path.join(data, 'policy-rc.d');
  const record = path.join(data, 'calls');
  mkdirSync(bin);
  for (const program of ['sh', 'chmod'])
    symlinkSync(findProgram(program)!, path.join(bin, program));
  const script = `#!/bin/sh
asked() { "${policy}" "$1" start; echo $?; }
echo "apt-get $* frontend=$DEBIAN_FRONTEND nginx=$(asked nginx) unit=$(asked nginx.service) other=$(asked cron)" >> "${record}"
fake_install() { printf '#!/bin/sh\\n' > "${bin}/nginx"; chmod 755 "${bin}/nginx"; }
${aptGet}
`;
  writeFileSync(path.join(bin, 'apt-get'), script, { mode: 0o755 });
  const told: string[] = [];
  const ensure = async (): Promise<string> => {
    const before = process.env.PATH;
    process.env.PATH = bin;
    try {
      return await ensureNginx((line) => told.push(line), { systemFolders: [], policy });
    } finally {
      process.env.PATH = before;
    }
  };
  return {
    bin,
    policy,
    told,
    ensure,
    calls: () => readFileSync(record, 'utf8').trim().split('\n'),
  };
}

const INSTALL =
  'apt-get install -y -q --no-install-recommends nginx frontend=noninteractive nginx=101 unit=101 other=0';
const UPDATE = 'apt-get update -q frontend=noninteractive nginx=101 unit=101 other=0';
const asRoot = ROOT ? {} : { skip: 'only root installs' };

test('an installed nginx is used as it is', async (t) => {
  const { bin, policy, ensure } = machine(t, 'exit 9');
  writeFileSync(path.join(bin, 'nginx'), '#!/bin/sh\n', { mode: 0o755 });
  t.equal(await ensure(), path.join(bin, 'nginx'));
  t.notOk(existsSync(policy));
});

test(
  'a missing nginx is installed by apt-get, and its own server is not started',
  asRoot,
  async (t) => {
    const { bin, policy, ensure, calls, told } = machine(t, 'fake_install');
    t.equal(await ensure(), path.join(bin, 'nginx'));
    t.same(calls(), [INSTALL]);
    t.match(told, [/installing nginx/]);
    t.notOk(existsSync(policy), 'services may start again');
  },
);

test(
  'missing package lists are fetched once, then the installation is repeated',
  asRoot,
  async (t) => {
    const { bin, ensure, calls, told } = machine(
      t,
      'case "$1" in update) : > "$0.lists";; *) [ -e "$0.lists" ] || exit 100; fake_install;; esac',
    );
    t.equal(await ensure(), path.join(bin, 'nginx'));
    t.same(calls(), [INSTALL, UPDATE, INSTALL]);
    t.match(told, [/installing nginx/, /apt-get update/]);
  },
);

test(
  "an installation that fails shows apt-get's last words and leaves no policy behind",
  asRoot,
  async (t) => {
    const { policy, ensure, calls } = machine(
      t,
      'echo "E: Unable to locate package nginx" >&2; exit 100',
    );
    await t.rejects(ensure(), {
      name: 'FleetError',
      message: /could not install nginx\. .*\n.*E: Unable to locate package nginx/,
    });
    t.equal(calls().length, 3);
    t.notOk(existsSync(policy));
  },
);

test("an administrator's own policy stays as it is", asRoot, async (t) => {
  const { policy, ensure, calls } = machine(t, 'fake_install');
  writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o700 });
  await ensure();
  t.match(calls(), [/nginx=101 unit=101 other=101$/]);
  t.equal(readFileSync(policy, 'utf8'), '#!/bin/sh\nexit 101\n');
  t.equal(statSync(policy).mode & 0o777, 0o700);
});

test('without apt-get the error says what to install', async (t) => {
  const { bin, ensure } = machine(t, 'exit 9');
  rmSync(path.join(bin, 'apt-get'));
  await t.rejects(ensure(), { name: 'FleetError', message: /apt-get install -y nginx/ });
});
