import { createHmac, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';
import { createPublicKeyRing, type PublicKeyRow, type SigningKey } from '../src/index.ts';

export const issuer = 'muniment';
export const audience = 'muniment-api';

/** A key pair in the forms of the table and of the issuer. */
export const keyPair = (kid: string) => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const { x = '' } = publicKey.export({ format: 'jwk' });
  const row: PublicKeyRow = {
    kid,
    algorithm: 'EdDSA',
    status: 'active',
    public_jwk: { kty: 'OKP', crv: 'Ed25519', x, kid, alg: 'EdDSA', use: 'sig' },
  };
  const signing: SigningKey = {
    kid,
    algorithm: 'EdDSA',
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
  return {
    row,
    signing,
    privateKey,
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
};

const segment = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A JWT put together by hand, so that each part can be wrong. */
export const assemble = (
  header: unknown,
  claims: unknown,
  key: KeyObject | { hmac: string } | null,
): string => {
  const input = `${segment(header)}.${segment(claims)}`;
  if (key === null) return `${input}.`;
  const signature =
    'hmac' in key
      ? createHmac('sha256', key.hmac).update(input).digest('base64url')
      : sign(null, Buffer.from(input), key).toString('base64url');
  return `${input}.${signature}`;
};

export const validClaims = (kid: string, changes: Record<string, unknown> = {}) => {
  const now = Math.floor(Date.now() / 1_000);
  return {
    kid,
    iss: issuer,
    aud: audience,
    sub: randomUUID(),
    sid: randomUUID(),
    jti: randomUUID(),
    iat: now,
    exp: now + 900,
    role: 'customer',
    ...changes,
  };
};

interface Forger {
  kid: string;
  own: ReturnType<typeof keyPair>;
  /** A valid token. */
  good: string;
}

/** Signs with the right key what a verifier must refuse. */
const signerOf =
  ({ kid, own }: Forger) =>
  (changes: Record<string, unknown>, headerChanges: Record<string, unknown> = {}): string =>
    assemble(
      { alg: 'EdDSA', typ: 'JWT', kid, ...headerChanges },
      validClaims(kid, changes),
      own.privateKey,
    );

function forgedAlgorithms(forger: Forger): Record<string, string> {
  const { kid, own } = forger;
  const header = { alg: 'EdDSA', typ: 'JWT', kid };
  const signed = signerOf(forger);
  return {
    'alg none': assemble({ ...header, alg: 'none' }, validClaims(kid), null),
    'alg None': assemble({ ...header, alg: 'None' }, validClaims(kid), null),
    'alg none with a signature': assemble(
      { ...header, alg: 'none' },
      validClaims(kid),
      own.privateKey,
    ),
    'HS256 with the public key in PEM': assemble({ ...header, alg: 'HS256' }, validClaims(kid), {
      hmac: own.publicPem,
    }),
    'HS256 with the public JWK': assemble({ ...header, alg: 'HS256' }, validClaims(kid), {
      hmac: JSON.stringify(own.row.public_jwk),
    }),
    'RS256 named': signed({}, { alg: 'RS256' }),
  };
}

function forgedSignatures({ kid, good }: Forger): Record<string, string> {
  const header = { alg: 'EdDSA', typ: 'JWT', kid };
  const stranger = keyPair(kid);
  const [goodHeader = '', goodClaims = '', goodSignature = ''] = good.split('.');
  const adminClaims = segment(validClaims(kid, { role: 'admin' }));
  const flipped = (goodSignature.startsWith('A') ? 'B' : 'A') + goodSignature.slice(1);
  return {
    'stripped signature': `${goodHeader}.${goodClaims}.`,
    'two parts': `${goodHeader}.${goodClaims}`,
    'swapped payload': `${goodHeader}.${adminClaims}.${goodSignature}`,
    'flipped signature': `${goodHeader}.${goodClaims}.${flipped}`,
    'padded signature': `${good}==`,
    "a stranger's key under our kid": assemble(header, validClaims(kid), stranger.privateKey),
    'key brought along as jwk': assemble(
      { ...header, jwk: stranger.row.public_jwk },
      validClaims(kid),
      stranger.privateKey,
    ),
  };
}

function forgedClaims(forger: Forger): Record<string, string> {
  const signed = signerOf(forger);
  const now = Math.floor(Date.now() / 1_000);
  return {
    expired: signed({ exp: now - 1 }),
    'expires now': signed({ exp: now }),
    'no exp': signed({ exp: undefined }),
    'exp as text': signed({ exp: String(now + 900) }),
    'not yet valid': signed({ nbf: now + 60 }),
    'wrong audience': signed({ aud: 'another-api' }),
    'no audience': signed({ aud: undefined }),
    'one audience of many': signed({ aud: [audience, 'another-api'] }),
    'wrong issuer': signed({ iss: 'another' }),
    'no session': signed({ sid: undefined }),
    'session that is no UUID': signed({ sid: "' or 1=1 --" }),
    'role unknown': signed({ role: 'root' }),
    'another typ': signed({}, { typ: 'refresh' }),
    'unknown critical header': signed({}, { crit: ['x'], x: 1 }),
    'very long': signed({ filler: 'x'.repeat(5_000) }),
  };
}

function forgedKids(forger: Forger): Record<string, string> {
  const { kid, own } = forger;
  const header = { alg: 'EdDSA', typ: 'JWT', kid };
  const signed = signerOf(forger);
  return {
    'unknown kid': assemble({ ...header, kid: 'unknown' }, validClaims('unknown'), own.privateKey),
    'kid of header and claim differ': signed({ kid: 'another' }),
    'no kid in header': signed({}, { kid: undefined }),
    'no kid in claims': signed({ kid: undefined }),
    'kid is a path': assemble({ ...header, kid: '../../dev/null' }, validClaims('../../dev/null'), {
      hmac: '',
    }),
  };
}

function malformedTokens({ good }: Forger): Record<string, string> {
  const [goodHeader = '', , goodSignature = ''] = good.split('.');
  return {
    'not a token': 'abc',
    'only dots': '..',
    'empty objects': 'e30.e30.',
    'payload null': `${goodHeader}.${segment(null)}.${goodSignature}`,
  };
}

/** Every known way to pass a verifier without its key (RFC 8725), by name. */
export function forgeries(
  kid: string,
  own: ReturnType<typeof keyPair>,
  good: string,
): Record<string, string> {
  const forger = { kid, own, good };
  return {
    ...forgedAlgorithms(forger),
    ...forgedSignatures(forger),
    ...forgedClaims(forger),
    ...forgedKids(forger),
    ...malformedTokens(forger),
  };
}

/** A ring over rows that the test may change. It counts its reads. */
export const ringOf = (
  rows: PublicKeyRow[],
  t: { teardown(fn: () => void): void },
  unknownKidIntervalMs = 1_000,
) => {
  const counted = { reads: 0 };
  const keys = createPublicKeyRing({
    unknownKidIntervalMs,
    load: async () => {
      counted.reads++;
      return rows;
    },
  });
  t.teardown(() => keys.close());
  return { keys, counted };
};
