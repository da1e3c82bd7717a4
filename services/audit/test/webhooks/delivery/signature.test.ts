import { test } from 'tap';
import { Webhook } from 'standardwebhooks';
import { createSecret, secretText, signedHeaders } from '../../../webhooks/delivery/signature.ts';

test("the vector of the standard's own libraries comes out", (t) => {
  const secret = Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64');
  t.same(
    signedHeaders(
      {
        id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
        timestamp: 1_614_265_330,
        body: '{"test": 2432232314}',
      },
      [secret],
    ),
    {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    },
  );
  t.end();
});

test("the standard's library verifies signatures by old and new secrets", (t) => {
  const [fresh, previous, foreign] = [createSecret(), createSecret(), createSecret()] as const;
  const body = '{"type":"audit.LOGIN_SUCCESS","data":{"text":"äöü 🎈"}}';
  const headers = signedHeaders(
    { id: '018f2a3b-4c5d-7e6f-8a9b-0c1d2e3f4a5b', timestamp: Math.floor(Date.now() / 1_000), body },
    [fresh, previous],
  );
  t.match(secretText(fresh), /^whsec_[A-Za-z0-9+/]{43}=$/);
  for (const secret of [fresh, previous])
    t.same(new Webhook(secretText(secret)).verify(body, headers), JSON.parse(body));
  t.throws(() => new Webhook(secretText(foreign)).verify(body, headers));
  t.throws(() => new Webhook(secretText(fresh)).verify(`${body} `, headers));
  t.throws(() =>
    new Webhook(secretText(fresh)).verify(body, { ...headers, 'webhook-id': 'another' }),
  );
  t.throws(() =>
    new Webhook(secretText(fresh)).verify(body, {
      ...headers,
      'webhook-timestamp': String(Number(headers['webhook-timestamp']) + 1),
    }),
  );
  t.end();
});
