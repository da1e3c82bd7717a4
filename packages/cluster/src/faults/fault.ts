import type { Socket } from 'node:net';

/**
 * - `pass`: forwards.
 * - `refuse`: resets open connections and each new one.
 * - `cut`: resets open connections once; new ones pass.
 * - `blackhole`: accepts and holds everything, even a close, until the fault changes.
 * - `delayMs`: delays each chunk in both directions, in order.
 * - `throttle`: see {@link KinesisThrottle}.
 */
export type Fault = 'pass' | 'refuse' | 'cut' | 'blackhole' | { delayMs: number } | KinesisThrottle;

/** Fails requests as a shard over its limit does. */
export interface KinesisThrottle {
  throttle: 'kinesis';
  /** Of a whole request. Default 1, or 0 when `partial` is given. */
  probability?: number;
  /** Of each record of a PutRecords. */
  partial?: number;
  /** Default: GetRecords, PutRecord and PutRecords. Others fail as a caller over its limit does. */
  actions?: readonly string[];
}

/** What all connections of a proxy share. */
export interface ProxyState {
  fault: Exclude<Fault, 'cut'>;
  target: { host: string; port: number };
  sockets: Set<Socket>;
  /** Called whenever the fault changes. */
  wakers: Set<() => void>;
}

export function isThrottle(fault: Fault): fault is KinesisThrottle {
  return typeof fault === 'object' && 'throttle' in fault;
}

/** The current delay in milliseconds. */
export function delayOf({ fault }: ProxyState): number {
  return typeof fault === 'object' && 'delayMs' in fault ? fault.delayMs : 0;
}
