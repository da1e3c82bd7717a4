import { createHash, randomBytes } from 'node:crypto';

const PREFIX = 'mav_';
const PATTERN = /^mav_[A-Za-z0-9_-]{43}$/;

/**
 * The holder of a viewer token, who is no user. They read one tenant's events until `expiresAt`.
 */
export interface Viewer {
  tokenId: string;
  tenantId: string;
  expiresAt: Date;
}

/**
 * Finds the viewer by the SHA-256 of the token.
 * Undefined for an unknown, expired or revoked token, or when its creator may create none any more.
 */
export type ViewerLookup = (tokenHash: Buffer) => Promise<Viewer | undefined>;

/**
 * Creates a viewer token: `mav_`, which secret scanners recognise, and 256 random bits in
 * base64url.
 */
export const createViewerToken = (): string => PREFIX + randomBytes(32).toString('base64url');

export const isViewerToken = (text: string): boolean => PATTERN.test(text);

/** The stored form of a viewer token. 256 random bits need no slow hash. */
export const hashViewerToken = (token: string): Buffer =>
  createHash('sha256').update(token).digest();
