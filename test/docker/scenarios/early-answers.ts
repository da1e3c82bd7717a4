import { request } from 'node:http';
import type { Checks } from '../checks.ts';
import type { ContainerFleet } from '../container-fleet.ts';

const UPLOADS = 36;
const BYTES = 4 * 1024 ** 2;
const GATEWAY_ON_ITS_NETWORK = '10.231.77.2';

/**
 * Uploads that are refused before they are read: the answer must arrive, not a cut connection. The
 * client keeps connections, so it uses none that an earlier answer has ended.
 */
export async function answerEarly(fleet: ContainerFleet, { check }: Checks): Promise<void> {
  for (const [how, host, port] of [
    ['at the published port', '127.0.0.1', fleet.ports.http],
    ["at the gateway's own address", GATEWAY_ON_ITS_NETWORK, 8080],
  ] as const) {
    const outcomes: Record<string, number> = {};
    for (let n = 0; n < UPLOADS; n += 4) {
      const answers = await Promise.all(Array.from({ length: 4 }, () => upload(host, port)));
      for (const answer of answers) outcomes[answer] = (outcomes[answer] ?? 0) + 1;
    }
    check(
      `${UPLOADS} refused uploads get their answer ${how}`,
      outcomes['401'] === UPLOADS,
      outcomes,
    );
  }
}

/** @returns the status, or the error's code */
function upload(host: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    const sent = request(
      {
        host,
        port,
        path: '/api/files',
        method: 'POST',
        headers: {
          'content-type': 'multipart/form-data; boundary=early',
          'content-length': String(BYTES),
        },
      },
      (answer) => {
        answer.resume();
        answer.on('end', () => resolve(String(answer.statusCode)));
        answer.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      },
    );
    sent.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    sent.end(Buffer.alloc(BYTES, 'x'));
  });
}
