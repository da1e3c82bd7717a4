import type { Socket } from 'node:net';
import { delayOf, type ProxyState } from './fault.ts';

// Bytes held per direction before the sender is paused. Throughput is at most 4 MiB per delay.
const MAX_HELD_BYTES = 4 * 1024 ** 2;

type Item = Buffer | 'end' | 'reset';

interface Pump {
  state: ProxyState;
  from: Socket;
  to: Socket;
  queue: { at: number; item: Item }[];
  heldBytes: number;
  timer?: NodeJS.Timeout;
  /** Whether `to` waits for its drain. */
  blocked: boolean;
}

/**
 * Moves bytes one way under the current fault. `divert` may take over a chunk and its connection.
 * @returns how to stop
 */
export function pumpBytes(
  state: ProxyState,
  { from, to }: { from: Socket; to: Socket },
  divert: (chunk: Buffer) => boolean,
): () => void {
  const pump: Pump = { state, from, to, queue: [], heldBytes: 0, blocked: false };
  let ended = false;
  const wake = (): void => flush(pump);
  const onData = (chunk: Buffer): void => {
    if (pump.queue.length > 0 || !divert(chunk)) push(pump, chunk);
  };
  const onEnd = (): void => {
    ended = true;
    push(pump, 'end');
  };
  // After an orderly end a reset could discard what the other side still writes.
  const onClose = (hadError: boolean): void => {
    if (hadError || !ended) push(pump, 'reset');
  };
  const onDrain = (): void => {
    pump.blocked = false;
    flush(pump);
  };
  from.on('data', onData).once('end', onEnd).once('close', onClose);
  to.on('drain', onDrain);
  state.wakers.add(wake);
  const stop = (): void => {
    clearTimeout(pump.timer);
    state.wakers.delete(wake);
    from.off('data', onData).off('end', onEnd).off('close', onClose);
    to.off('drain', onDrain);
  };
  to.once('close', stop);
  return stop;
}

function push(pump: Pump, item: Item): void {
  pump.queue.push({ at: Date.now(), item });
  if (item instanceof Buffer && (pump.heldBytes += item.length) > MAX_HELD_BYTES) pump.from.pause();
  flush(pump);
}

function flush(pump: Pump): void {
  const { state, from, queue } = pump;
  clearTimeout(pump.timer);
  while (!pump.blocked && queue[0] && state.fault !== 'blackhole') {
    const { at, item } = queue[0];
    const waitMs = at + delayOf(state) - Date.now();
    if (waitMs > 0) {
      pump.timer = setTimeout(() => flush(pump), waitMs);
      return;
    }
    queue.shift();
    send(pump, item);
  }
  if (pump.heldBytes <= MAX_HELD_BYTES) from.resume();
}

function send(pump: Pump, item: Item): void {
  const { to } = pump;
  if (item === 'end') to.end();
  else if (item === 'reset') to.resetAndDestroy();
  else {
    pump.heldBytes -= item.length;
    pump.blocked = !to.write(item);
  }
}
