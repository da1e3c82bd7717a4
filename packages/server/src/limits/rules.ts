/** `burst` attempts at once; they come back evenly over `seconds`. */
export interface LimitRule {
  burst: number;
  seconds: number;
}

/**
 * All limits that PostgreSQL counts over all replicas. `account` is an e-mail address, registered or
 * not; `network` an IPv4 address or an IPv6 /64. Where only failures count, a success is refunded.
 */
const DEFAULTS = {
  /** Every request and WebSocket message: of a signed-in user, else of a network. */
  requests: { burst: 1_200, seconds: 60 },
  /** Requests of one network with credentials that are missing or not valid. */
  rejected_network: { burst: 1_200, seconds: 60 },
  /** Refusals of a known caller for one reason. Each is an event, and the trail stays for ever. */
  denials: { burst: 100, seconds: 15 * 60 },
  /** Introspections by one caller: a customer's service makes one for each of its requests. */
  introspection: { burst: 60_000, seconds: 60 },
  /** Calls of other services, by the network of the one that calls. */
  service_calls: { burst: 60_000, seconds: 60 },
  /** API tokens made by one user. */
  token_creation: { burst: 60, seconds: 3_600 },
  /** Failures without a device token of the account. */
  login_account: { burst: 10, seconds: 15 * 60 },
  /** Guessing goes on for days. NIST SP 800-63B-4 §3.2.2: at most 100 failures in a row. */
  login_account_day: { burst: 100, seconds: 86_400 },
  /** Failures by a device on which the account has signed in. */
  login_device: { burst: 10, seconds: 15 * 60 },
  /** The same in a day. Devices share nothing: one must not use up another's attempts. */
  login_devices_day: { burst: 100, seconds: 86_400 },
  /** Failures for any account. */
  login_network: { burst: 100, seconds: 15 * 60 },
  register_network: { burst: 60, seconds: 3_600 },
  /** Spares the database; tokens are too long to be guessed. */
  refresh_network: { burst: 1_200, seconds: 60 },
  /** Without a device token of the account; each attempt may send a mail. */
  recovery_account: { burst: 5, seconds: 3_600 },
  /** By a device on which the account has signed in. */
  recovery_device: { burst: 5, seconds: 3_600 },
  recovery_network: { burst: 30, seconds: 3_600 },
  /** Failures. */
  reset_network: { burst: 30, seconds: 15 * 60 },
  /** By user; each attempt sends a mail to an address of the caller's choice. */
  email_change: { burst: 5, seconds: 3_600 },
  /** Failures of a signed-in user to prove the password again. */
  password_confirmation: { burst: 10, seconds: 15 * 60 },
  /** Observed, not refused, like the next two: a network counts an account once. */
  stuffing_pair: { burst: 1, seconds: 3_600 },
  /** Accounts for which one network failed to sign in. */
  stuffing_network: { burst: 20, seconds: 3_600 },
  /** Networks from which sign-ins to one account failed. */
  stuffing_account: { burst: 10, seconds: 3_600 },
  /** Failed sign-ins of all callers beyond the successful ones. */
  stuffing_global: { burst: 1_000, seconds: 600 },
} satisfies Record<string, LimitRule>;

export type LimitName = keyof typeof DEFAULTS;
export type LimitRules = Readonly<Record<LimitName, LimitRule>>;

const RULE = /^([a-z_]+)=([1-9][0-9]{0,6})\/([1-9][0-9]{0,6})$/;
const isName = (name: string): name is LimitName => Object.hasOwn(DEFAULTS, name);

/** The rules with a setting's changes: `login_account=5/600, requests=6000/60`. @throws */
export function limitRules(setting: string): LimitRules {
  const rules: Record<LimitName, LimitRule> = { ...DEFAULTS };
  for (const part of setting
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '')) {
    const [, name = '', burst, seconds] = RULE.exec(part) ?? [];
    if (!isName(name))
      throw new Error(
        `LIMIT_RULES: ${JSON.stringify(part)} is no limit=tries/seconds; ` +
          `there are ${Object.keys(DEFAULTS).join(', ')}`,
      );
    rules[name] = { burst: Number(burst), seconds: Number(seconds) };
  }
  return rules;
}
