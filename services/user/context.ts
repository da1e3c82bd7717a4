import type { PasswordHasher } from '@muniment/security';
import type { Server } from '@muniment/server';
import type { StuffingMetric } from './sign-in/credential-stuffing.ts';
import type { Config } from './config.ts';
import type { Languages } from './mail/languages.ts';
import type { Tables } from './tables.ts';

/** The user service's parts, as routes and loops take them. */
export interface UserContext extends Server<Tables> {
  config: Config;
  passwords: PasswordHasher;
  stuffing: StuffingMetric;
  /** Of the mails. */
  languages: Languages;
}
