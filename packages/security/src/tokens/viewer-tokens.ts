import { createHash, randomBytes } from 'node:crypto';

const prefix = 'mav_';
const pattern = /^mav_[A-Za-z0-9_-]{43}$/;

/** Who holds a viewer token: reads one tenant's events of the trail until `expiresAt`, is no user and may do nothing else. */
export type Viewer = { tokenId: string; tenantId: string; expiresAt: Date };

/** The viewer that a token's SHA-256 stands for; undefined when it is unknown, expired, revoked, or whoever made it may make none any more. */
export type ViewerLookup = (tokenHash: Buffer) => Promise<Viewer | undefined>;

/** A new viewer token: `mav_` (so that secret scanners know a leaked one) and 256 random bits in base64url. */
export const createViewerToken = (): string => prefix + randomBytes(32).toString('base64url');

/** Whether the text has the form of a viewer token. */
export const isViewerToken = (text: string): boolean => pattern.test(text);

/** The form in which a viewer token is stored. 256 random bits need no slow hash. */
export const hashViewerToken = (token: string): Buffer =>
  createHash('sha256').update(token).digest();
