import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

const LOWEST = 15_000;
let ephemeralStart: number | undefined;

/**
 * A TCP port on 127.0.0.1 that was free a moment ago. From below the range that the kernel gives to outgoing
 * connections, where a killed server could find its port taken by one of them; at random, since tests run in parallel.
 */
export async function freePort(): Promise<number> {
  ephemeralStart ??= readEphemeralStart();
  for (;;) {
    const port = randomInt(LOWEST, ephemeralStart);
    if (await canListen(port)) return port;
  }
}

/** Whether a listener can be put on 127.0.0.1 at this port. */
export async function canListen(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    return true;
  } catch {
    return false;
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

function readEphemeralStart(): number {
  const start = Number(
    readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s+/)[0],
  );
  return start > LOWEST + 1000 ? start : 60_000;
}
