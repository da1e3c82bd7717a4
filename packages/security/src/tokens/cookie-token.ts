const PART = /^[A-Za-z0-9_-]{1,4096}$/;

/** A token in two cookies. Scripts may read the payload; the signature makes it valid. */
export interface CookieToken {
  loginInfo: string;
  secure: string;
}

export function splitToken(token: string): CookieToken {
  const [, loginInfo = '', secure = ''] = token.split('.');
  return { loginInfo, secure };
}

function kidOf(loginInfo: string): unknown {
  try {
    return (JSON.parse(Buffer.from(loginInfo, 'base64url').toString()) as { kid?: unknown }).kid;
  } catch {
    return undefined;
  }
}

/** The token of a payload and signature; the claim `kid` gives the header. */
export function joinToken(
  loginInfo: string | undefined,
  secure: string | undefined,
): string | undefined {
  if (loginInfo === undefined || secure === undefined) return undefined;
  if (!PART.test(loginInfo) || !PART.test(secure)) return undefined;
  const kid = kidOf(loginInfo);
  if (typeof kid !== 'string') return undefined;
  // In the order of @fastify/jwt: the signature covers these bytes.
  const header = JSON.stringify({ alg: 'EdDSA', typ: 'JWT', kid });
  return `${Buffer.from(header).toString('base64url')}.${loginInfo}.${secure}`;
}
