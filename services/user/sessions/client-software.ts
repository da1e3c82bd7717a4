import Bowser from 'bowser';
import { Type, type Static } from 'typebox';

const nullableText = Type.Union([Type.String(), Type.Null()]);

/** What a user agent says it is, for people who look for a device that is not theirs; any client can claim any of it. */
export const clientSchema = Type.Object({
  /** Name and major version: `Firefox 121`, `curl 8`. */
  browser: nullableText,
  /** Name and version, as far as it is told: `iOS 17.1`, `Windows 10`, `Linux`. */
  os: nullableText,
  /** `desktop`, `mobile`, `tablet`, `tv` or `bot`, with the model where it is told: `mobile (iPhone)`. */
  device: nullableText,
});

/** RFC 9110 §10.1.5: what is no browser names itself by its first product, as `curl/8.5.0`. */
const PROGRAM = /^([A-Za-z][\w.-]{0,39})(?:\/v?(\d{1,9}))?/;

const named = (name: string | undefined, version: string | undefined): string | null =>
  name ? [name, version].filter(Boolean).join(' ') : null;

/** Takes 50 µs, so it is done when a list is read and not when a session is opened. */
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
