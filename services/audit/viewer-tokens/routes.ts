import { defineFeature } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { createViewerToken } from './create-viewer-token.ts';
import { listViewerTokens } from './list-viewer-tokens.ts';
import { revokeViewerToken } from './revoke-viewer-token.ts';

/** Viewer tokens: a browser reads one tenant's events with them, and nothing else. */
export const viewerTokens = defineFeature<AuditContext>({
  administrators: [createViewerToken, listViewerTokens, revokeViewerToken],
});
