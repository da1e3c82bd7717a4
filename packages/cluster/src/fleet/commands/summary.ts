import path from 'node:path';
import { dataFolder, ROOT } from '../settings.ts';
import type { LaunchedFleet } from './launched-fleet.ts';

/** What `make up` prints at its end. */
export function summary(
  fleet: LaunchedFleet,
  { data, seconds }: { data: string; seconds?: number },
): string {
  const { http, https, mail, processes } = fleet;
  const state = seconds === undefined ? 'already running' : `up after ${seconds.toFixed(1)} s`;
  const relative = path.relative(ROOT, data);
  const folder = relative.startsWith('..') ? data : relative;
  const isDefault = data === dataFolder({});
  const make = (target: string): string =>
    isDefault ? `make ${target}` : `make ${target} DATA='${folder}'`;
  const tls = https === null ? '(no TLS: openssl is not installed)' : `${https} (self-signed)`;
  const password = path.join(folder, path.relative(data, mail.passwordFile));
  return `
Muniment is ${state}: ${processes} processes.

  API       ${http}   ${tls}
  mails     ${mail.page}   (every mail is shown here, none is delivered)
            user ${mail.user}, password in ${password}

Try it. These lines can be pasted into a shell as they are:
${tryOut(http).join('\n')}

  logs      ${make('logs')}   (${folder}/logs; S=user for one service)
  status    ${make('status')}   (for scripts: ${folder}/fleet.json)
  settings  make up NAME=value, or a file .env (.env.example lists them)
  stop      ${make('down')}   (the data stays in ${folder})
`;
}

function tryOut(origin: string): string[] {
  const json = "-H 'content-type: application/json'";
  const auth = '-H "authorization: Bearer $TOKEN"';
  const extract = (field: string): string => `sed 's/.*"${field}":"\\([^"]*\\)".*/\\1/'`;
  return [
    `  API=${origin}/api`,
    '  # register and sign in',
    `  ADA='{"email":"ada@example.com","password":"correct horse battery"}'`,
    `  curl -s $API/users/register ${json} -d "$ADA"`,
    `  TOKEN=$(curl -s $API/users/login ${json} -d "$ADA" | ${extract('token')})`,
    '  # upload a file, list your files, download it',
    "  echo 'hello, muniment' > /tmp/hello.txt",
    `  ID=$(curl -s $API/files ${auth} -F file=@/tmp/hello.txt | ${extract('id')})`,
    `  curl -s $API/files ${auth}`,
    `  curl -s $API/files/$ID ${auth}`,
    '  # read your audit trail, which follows within a second',
    `  curl -s $API/audit/logs ${auth}`,
  ];
}
