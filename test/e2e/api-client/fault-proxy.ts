import { once } from 'node:events';
import {
  createServer,
  request as forward,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Teardown } from '@muniment/testing';

export interface SeenRequest {
  /** `GET /api/files`, without the query. */
  route: string;
  headers: IncomingHttpHeaders;
  /** Milliseconds by the monotonic clock. */
  at: number;
}

export type Fault =
  /** Answered here, without the fleet. */
  | { status: number; headers?: Record<string, string>; body?: string }
  /** The fleet does its work, and the answer is lost. */
  | { loseAnswer: true }
  /** The answer is cut off behind so many bytes. */
  | { cutAfterBytes: number }
  /** The answer goes no further than so many bytes, and stays open. */
  | { stallAfterBytes: number }
  /** The answer waits. */
  | { holdUntil: Promise<unknown> }
  /** Nothing is read and nothing is answered. */
  | { hang: true };

export interface FaultProxy {
  url: string;
  seen: readonly SeenRequest[];
  /** How many requests of this route came. */
  count(route: string): number;
}

/** The fault of a request; `nth` counts those of its route, from 1. */
export type ChooseFault = (request: SeenRequest, nth: number) => Fault | undefined;

/** Stands between a client and a fleet, on the loopback. */
export async function startFaultProxy(
  t: Teardown,
  { target, fault = () => undefined }: { target: string; fault?: ChooseFault },
): Promise<FaultProxy> {
  const seen: SeenRequest[] = [];
  const count = (route: string): number => seen.filter((one) => one.route === route).length;
  const server = createServer((request, response) => {
    const [path] = (request.url ?? '').split('?');
    const one = {
      route: `${request.method} ${path}`,
      headers: request.headers,
      at: performance.now(),
    };
    seen.push(one);
    serve(target, { request, response, fault: fault(one, count(one.route)) });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(async () => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, count };
}

interface Served {
  request: IncomingMessage;
  response: ServerResponse;
  fault: Fault | undefined;
}

function serve(
  target: string,
  { request, response, fault = { cutAfterBytes: Infinity } }: Served,
): void {
  if ('hang' in fault) return;
  if ('status' in fault) {
    request.resume().once('end', () => {
      response.writeHead(fault.status, fault.headers).end(fault.body ?? '');
    });
    return;
  }
  forwardRequest(target, { request, response }, (answer) => {
    if ('loseAnswer' in fault) answer.resume().once('end', () => response.destroy());
    else if ('stallAfterBytes' in fault) stall(answer, response, fault.stallAfterBytes);
    else if ('holdUntil' in fault) fault.holdUntil.then(() => pass(answer, response, Infinity));
    else pass(answer, response, fault.cutAfterBytes);
  });
}

/** Passes a request on, and its answer back. */
export function forwardRequest(
  target: string,
  { request, response }: Omit<Served, 'fault'>,
  onAnswer = (answer: IncomingMessage): void => pass(answer, response, Infinity),
): void {
  const { host: _, ...headers } = request.headers;
  const onward = forward(target + request.url, { method: request.method, headers }, (answer) => {
    answer.on('error', () => response.destroy());
    onAnswer(answer);
  });
  onward.on('error', () => response.destroy());
  response.once('close', () => onward.destroy());
  request.pipe(onward);
}

function pass(answer: IncomingMessage, response: ServerResponse, limit: number): void {
  let left = limit;
  response.writeHead(answer.statusCode ?? 502, answer.headers);
  response.flushHeaders();
  answer.on('data', (piece: Buffer) => {
    response.write(piece.subarray(0, left), () => {
      if (left <= 0) response.destroy();
    });
    left -= piece.length;
  });
  answer.once('end', () => response.end());
}

function stall(answer: IncomingMessage, response: ServerResponse, limit: number): void {
  let left = limit;
  response.writeHead(answer.statusCode ?? 502, answer.headers);
  answer.on('data', (piece: Buffer) => {
    if (left > 0) response.write(piece.subarray(0, left));
    left -= piece.length;
  });
}
