import type { App, Endpoint } from '@muniment/server';
import { FormMalformed } from '../errors.ts';

/** Registers an endpoint that takes forms beside JSON (RFC 7662 §2.1). */
export function parseForms<Context>(endpoint: Endpoint<Context>): Endpoint<Context> {
  async function register(app: App, context: Context): Promise<void> {
    await app.register(async (scope) => {
      const form = { parseAs: 'string' as const };
      scope.addContentTypeParser('application/x-www-form-urlencoded', form, parseForm);
      await endpoint(scope as App, context);
    });
  }
  const { definition } = endpoint;
  return definition ? Object.assign(register, { definition }) : register;
}

/** RFC 6749 §3.1 allows no parameter twice. */
function parseForm(
  _request: unknown,
  body: string | Buffer,
  done: (error: Error | null, fields?: object) => void,
): void {
  const form = [...new URLSearchParams(String(body))];
  const fields = Object.fromEntries(form);
  if (Object.keys(fields).length !== form.length) done(new FormMalformed());
  else done(null, fields);
}
