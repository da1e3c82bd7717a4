import path from 'node:path';

/** What a newcomer is told once the fleet is up. */
export function summary(options: {
  http: string;
  https: string | null;
  mail: string;
  data: string;
  processes: number;
  seconds?: number;
  already: boolean;
}): string {
  const { http } = options;
  const folder = path.relative(process.cwd(), options.data) || '.';
  const data = folder.startsWith('..') ? options.data : folder;
  const json = "-H 'content-type: application/json'";
  const own = '-H "authorization: Bearer $TOKEN"';
  const credentials = `'{"email":"ada@example.com","password":"correct horse battery"}'`;
  const took = options.seconds === undefined ? '' : ` after ${options.seconds.toFixed(1)} s`;
  return `
Muniment is ${options.already ? 'already running' : `up${took}`}: ${options.processes} processes.

  gateway   ${http}${options.https === null ? '   (no TLS: openssl is not installed)' : `   ${options.https} (self-signed)`}
  mails     ${options.mail}   (caught, never delivered)

Try it:
  curl -s ${http}/api/users/register ${json} -d ${credentials}
  TOKEN=$(curl -s ${http}/api/users/login ${json} -d ${credentials} | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')
  echo 'hello, muniment' > /tmp/hello.txt
  ID=$(curl -s ${http}/api/files ${own} -F file=@/tmp/hello.txt | sed 's/.*"id":"\\([^"]*\\)".*/\\1/')
  curl -s ${http}/api/files ${own}
  curl -s ${http}/api/files/$ID ${own}
  curl -s ${http}/api/audit/logs ${own}

  logs      ${data}/logs   (make logs, make logs S=user)
  state     make status    (for scripts: ${data}/fleet.json)
  stop      make down      (the data stays in ${data})
`;
}
