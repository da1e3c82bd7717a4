import Bowser from 'bowser';
import { Type, type Static } from 'typebox';
import { nullable } from '@muniment/server';

const nullableText = nullable(Type.String());

/** What a user agent claims, so users can spot foreign devices. */
export const clientSchema = Type.Object({
  /** Name and major version: `Firefox 121`, `curl 8`. */
  browser: nullableText,
  /** Name and version: `iOS 17.1`, `Windows 10`, `Linux`. */
  os: nullableText,
  /** `desktop`, `mobile`, `tablet`, `tv` or `bot`, with its model: `mobile (iPhone)`. */
  device: nullableText,
});

/** A program's first product, as `curl/8.5.0` (RFC 9110 §10.1.5). */
const PROGRAM = /^([A-Za-z][\w.-]{0,39})(?:\/v?(\d{1,9}))?/;

const named = (name: string | undefined, version: string | undefined): string | null =>
  name ? [name, version].filter(Boolean).join(' ') : null;

/** Takes 50 µs, so lists call it, not sign-ins. */
export function describeClient(userAgent: string | null): Static<typeof clientSchema> {
  if (!userAgent) return { browser: null, os: null, device: null };
  const { browser, os, platform } = Bowser.parse(userAgent);
  const program =
    browser.name || userAgent.startsWith('Mozilla/') ? undefined : PROGRAM.exec(userAgent);
  return {
    browser: program
      ? named(program[1], program[2])
      : named(browser.name, /^\d+/.exec(browser.version ?? '')?.[0]),
    os: named(os.name, os.name === 'Windows' ? os.versionName : os.version),
    device: platform.type
      ? `${platform.type}${platform.model ? ` (${platform.model})` : ''}`
      : null,
  };
}
