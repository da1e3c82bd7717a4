import { Gauge, type Registry } from 'prom-client';
import { createCounter } from '@muniment/server';
import { channels, type Answered } from './answer-message.ts';
import type { Sockets } from './sockets.ts';

/** Counts messages by channel and outcome. */
export function countMessages(registry: Registry): (answered: Answered) => void {
  const messages = createCounter({
    name: 'muniment_socket_messages_total',
    help: 'Messages over sockets by channel and outcome (a code of the error catalogue).',
    // Any code of the catalogue can be an outcome. Only successes are known beforehand.
    labels: { channel: channels.map(({ name }) => name), outcome: ['success'] },
    registers: [registry],
  });
  return ({ channel, outcome }) => messages.inc({ channel, outcome });
}

export function measureSockets(registry: Registry, sockets: Sockets): void {
  new Gauge({
    name: 'muniment_sockets',
    help: 'Sockets that this replica serves.',
    registers: [registry],
    collect() {
      this.set(sockets.size());
    },
  });
}
