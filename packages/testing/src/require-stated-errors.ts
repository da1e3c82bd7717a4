import { tracingChannel } from 'node:diagnostics_channel';
import type { FastifyError, FastifyRequest } from 'fastify';
import type { Teardown } from './teardown.ts';

/** Fastify publishes each error that a route answers here; a hook would miss registered features. */
const HANDLED = tracingChannel('fastify.request.handler').error;

type ErrorClass = new () => FastifyError;
interface Answered {
  request: FastifyRequest;
  error: Partial<FastifyError>;
}

/**
 * Fails the test where a route answers an error of the catalogue that its definition does not state
 * in `errors`. Other exports of a catalogue's module are ignored.
 */
export function requireStatedErrors(
  t: Teardown,
  catalogue: Readonly<Record<string, unknown>>,
): void {
  const guarded = new Set(Object.values(catalogue).filter(isErrorClass).map(nameOf));
  const faults = new Set<string>();
  function check(message: unknown): void {
    const { request, error } = message as Answered;
    const { definition } = request.routeOptions.config as {
      definition?: { operation: string; errors: readonly ErrorClass[] };
    };
    const name = keyOf(error);
    if (!definition || !guarded.has(name) || definition.errors.some((it) => nameOf(it) === name))
      return;
    faults.add(`${definition.operation} answers ${name} and does not state it in its errors`);
  }
  HANDLED.subscribe(check);
  t.teardown(() => {
    HANDLED.unsubscribe(check);
    if (faults.size > 0) throw new Error([...faults].join('\n'));
  });
}

const isErrorClass = (value: unknown): value is ErrorClass =>
  typeof value === 'function' && value.prototype instanceof Error;

const keyOf = ({ code, statusCode }: Partial<FastifyError>): string => `${statusCode} ${code}`;

const nameOf = (Class: ErrorClass): string => keyOf(new Class());
