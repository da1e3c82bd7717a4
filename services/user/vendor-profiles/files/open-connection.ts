import { once } from 'node:events';
import http, { type ClientRequest, type OutgoingHttpHeaders } from 'node:http';
import https from 'node:https';
import { FileServiceUnavailable } from '../../errors.ts';

const CONNECT_TIMEOUT_MS = 1_000;
/** Longest silence in both directions. S3 may take six seconds, and one more for each MiB. */
const IDLE_TIMEOUT_MS = 45_000;

async function connect(url: URL, headers: OutgoingHttpHeaders): Promise<ClientRequest> {
  const isTls = url.protocol === 'https:';
  // Without an agent: a kept connection may have closed, and a stream cannot be sent again.
  const outgoing = (isTls ? https : http).request(url, { method: 'POST', headers, agent: false });
  outgoing.on('error', () => undefined);
  try {
    outgoing.flushHeaders();
    const signal = AbortSignal.timeout(CONNECT_TIMEOUT_MS);
    const [socket] = await once(outgoing, 'socket', { signal });
    if (socket.connecting) await once(socket, isTls ? 'secureConnect' : 'connect', { signal });
  } catch (error) {
    outgoing.destroy();
    throw error;
  }
  return outgoing.setTimeout(IDLE_TIMEOUT_MS, () =>
    outgoing.destroy(new Error('the file service is silent')),
  );
}

let turn = 0;

/**
 * Opens a request to the first replica that accepts a connection, another one each time.
 * @throws FileServiceUnavailable
 */
export async function openConnection(
  replicas: readonly URL[],
  headers: OutgoingHttpHeaders,
): Promise<ClientRequest> {
  turn += 1;
  const failures: unknown[] = [];
  for (const index of replicas.keys()) {
    const url = replicas[(turn + index) % replicas.length];
    if (!url) continue;
    try {
      return await connect(url, headers);
    } catch (error) {
      failures.push(error);
    }
  }
  throw new FileServiceUnavailable({ cause: new AggregateError(failures) });
}
