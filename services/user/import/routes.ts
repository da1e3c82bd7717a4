import { defineFeature } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { IMPORT_FORMATS, importUsers } from './import-users.ts';

/** Users of another system, with their ids and the hashes of their passwords. */
export const userImport = defineFeature<UserContext>({
  async plugins(app) {
    // Streamed: the handler reads the body as it arrives.
    for (const type of Object.keys(IMPORT_FORMATS))
      app.addContentTypeParser(type, (_request, body, done) => done(null, body));
  },
  administrators: [importUsers],
});
