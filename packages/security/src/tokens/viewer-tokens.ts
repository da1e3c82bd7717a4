import { createHash, randomBytes } from 'node:crypto';

const PREFIX = 'mav_';
const PATTERN = /^mav_[A-Za-z0-9_-]{43}$/;

/** A token's holder, who is no user and reads one tenant's events until `expiresAt`. */
export interface Viewer {
  tokenId: string;
  tenantId: string;
  expiresAt: Date;
}

/** Finds the viewer by the token's SHA-256; undefined when the token or its creator is invalid. */
export type ViewerLookup = (tokenHash: Buffer) => Promise<Viewer | undefined>;

/** Creates a viewer token: `mav_`, for secret scanners, and 256 random bits in base64url. */
export const createViewerToken = (): string => PREFIX + randomBytes(32).toString('base64url');

export const isViewerToken = (text: string): boolean => PATTERN.test(text);

/** The stored form of a viewer token. 256 random bits need no slow hash. */
export const hashViewerToken = (token: string): Buffer =>
  createHash('sha256').update(token).digest();
