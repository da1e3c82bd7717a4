import { test } from 'tap';
import { nginxConfig, renderTemplate } from '../../src/nginx/nginx-config.ts';

const config = {
  dir: '/data/nginx',
  hosts: ['127.0.0.1', '[::1]'],
  port: 8080,
  upstreams: { user: [1, 2], file: [3], audit: [4] },
  s3Host: '127.0.0.1:5',
  uploadMaxBytes: 1024,
  limits: true,
  pages: '/data/nginx/pages',
  secret: 'secret-of-the-gateway',
  root: false,
};

test('every placeholder is filled, every address listens, every replica is an upstream', (t) => {
  const text = nginxConfig(config);
  t.notMatch(text, /\$\{[A-Z]/);
  t.match(text, /listen 127\.0\.0\.1:8080;\s+listen \[::1\]:8080;/);
  t.match(text, /server 127\.0\.0\.1:1 max_fails=3 fail_timeout=1s;\s+server 127\.0\.0\.1:2 /);
  t.match(
    text,
    /server 127\.0\.0\.1:1 backup max_fails=0;/,
    'a replica that is left out is still asked before nobody is',
  );
  t.match(text, /client_max_body_size 1049600;/);
  t.notMatch(text, /^\s*user /m, 'an ordinary user can not change to another');
  t.notMatch(text, /ssl_certificate/, 'no TLS without a certificate');
  t.end();
});

test('LIMITS=off omits the limits', (t) => {
  t.match(nginxConfig(config), /limit_req zone=requests/);
  t.notMatch(nginxConfig({ ...config, limits: false }), /^\s*limit_(req|conn) /m);
  t.end();
});

test("a placeholder without a value is an error, nginx's own variables stay", (t) => {
  t.equal(renderTemplate('a ${B} $host', { B: 'c' }), 'a c $host');
  t.throws(() => renderTemplate('${MISSING}', {}), { name: 'FleetError', message: /MISSING/ });
  t.end();
});
