/** `burst` tries at once, and that many again over `seconds`, evenly. */
export interface LimitRule {
  burst: number;
  seconds: number;
}

/**
 * Every limit of the product that is counted in PostgreSQL, over all replicas. `account` is an e-mail address, whether or not there is an account; `network`
 * an IPv4 address or the /64 of an IPv6 one. Where «failures» stands, a success gives its try back.
 */
const DEFAULTS = {
  /** Every request: of a signed-in user, else of a network. */
  requests: { burst: 1_200, seconds: 60 },
  /** Introspections by one caller, a customer's own service: one for each request that it is sent. */
  introspection: { burst: 60_000, seconds: 60 },
  /** API tokens made by one user. */
  token_creation: { burst: 60, seconds: 3_600 },
  /** Failures by who has no device token of the account. */
  login_account: { burst: 10, seconds: 15 * 60 },
  /** The same over a longer time: guessing goes on for days (NIST SP 800-63B-4 §3.2.2: a hundred failures at most in a row). */
  login_account_day: { burst: 100, seconds: 86_400 },
  /** Failures by a device on which the account has signed in. */
  login_device: { burst: 10, seconds: 15 * 60 },
  /** Failures by all devices of an account together: who once had the password may have made themselves any number. */
  login_devices_day: { burst: 100, seconds: 86_400 },
  /** Failures for whatever accounts. */
  login_network: { burst: 100, seconds: 15 * 60 },
  register_network: { burst: 60, seconds: 3_600 },
  /** Tokens are too long to be guessed: it spares the database. */
  refresh_network: { burst: 1_200, seconds: 60 },
  /** By who has no device token of the account; each one may send a mail. */
  recovery_account: { burst: 5, seconds: 3_600 },
  /** By a device on which the account has signed in. */
  recovery_device: { burst: 5, seconds: 3_600 },
  recovery_network: { burst: 30, seconds: 3_600 },
  /** Failures. */
  reset_network: { burst: 30, seconds: 15 * 60 },
  /** Of a user: each one sends a mail to whom it names. */
  email_change: { burst: 5, seconds: 3_600 },
  /** Failures of a signed-in user to prove the password again. */
  password_confirmation: { burst: 10, seconds: 15 * 60 },
  /** Not refused but told, as the two below: a network and an account count once for each other. */
  stuffing_pair: { burst: 1, seconds: 3_600 },
  /** Accounts for which one network failed to sign in. */
  stuffing_network: { burst: 20, seconds: 3_600 },
  /** Networks from which sign-ins to one account failed. */
  stuffing_account: { burst: 10, seconds: 3_600 },
  /** Failed sign-ins, of everybody, over the successful ones. */
  stuffing_global: { burst: 1_000, seconds: 600 },
} satisfies Record<string, LimitRule>;

export type LimitName = keyof typeof DEFAULTS;
export type LimitRules = Readonly<Record<LimitName, LimitRule>>;

const RULE = /^([a-z_]+)=([1-9][0-9]{0,6})\/([1-9][0-9]{0,6})$/;
const isName = (name: string): name is LimitName => Object.hasOwn(DEFAULTS, name);

/** The rules with those that a setting changes: `login_account=5/600, requests=6000/60`. @throws naming what it does not understand */
export function limitRules(setting: string): LimitRules {
  const rules: Record<LimitName, LimitRule> = { ...DEFAULTS };
  for (const part of setting
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '')) {
    const [, name = '', burst, seconds] = RULE.exec(part) ?? [];
    if (!isName(name))
      throw new Error(
        `LIMIT_RULES: ${JSON.stringify(part)} is no limit=tries/seconds; there are ${Object.keys(DEFAULTS).join(', ')}`,
      );
    rules[name] = { burst: Number(burst), seconds: Number(seconds) };
  }
  return rules;
}
