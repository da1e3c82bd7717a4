import { test } from 'tap';
import { findEmptyCounters, SCRAPE } from '@muniment/testing';
import { build } from './build.ts';

test("the user service's counters begin at 0, so that an alert sees the first event", async (t) => {
  const { context } = await build(t);
  const { body } = await context.http.app.inject(SCRAPE);
  t.strictSame(findEmptyCounters(body), []);
  const atZero = [
    'muniment_credential_stuffing_detected_total{pattern="accounts_from_network",service="user"} 0',
    'muniment_credential_stuffing_detected_total{pattern="networks_on_account",service="user"} 0',
    'muniment_credential_stuffing_detected_total{pattern="failure_ratio",service="user"} 0',
    'muniment_mail_failures_total{outcome="postponed",service="user"} 0',
    'muniment_mail_failures_total{outcome="dead",service="user"} 0',
    'muniment_mails_sent_total{template="reset_password",service="user"} 0',
    'muniment_rate_limited_total{limit="login_account",service="user"} 0',
    'muniment_socket_messages_total{channel="user/read",outcome="success",service="user"} 0',
  ];
  for (const line of atZero) t.ok(body.split('\n').includes(line), line);
});
