/**
 * Parse Server with the usual triggers: a Document row and an AuditLog row for an upload, an
 * AuditLog row for a sign-in and for each change of an Item. Only signed-in users have files.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** The parts of the Parse SDK that are used. It is installed with the peers. */
interface ParseObject {
  id: string;
  setACL(acl: ParseAcl): void;
  save(attributes: null, options: { useMasterKey: true }): Promise<unknown>;
}
interface ParseAcl {
  setRoleReadAccess(role: string, allowed: boolean): void;
}
interface TriggerRequest {
  user?: ParseObject;
  object: ParseObject;
  original?: ParseObject;
  file: { name(): string };
  fileSize: number;
}
interface Parse {
  Object: new (className: string, attributes: Record<string, unknown>) => ParseObject;
  ACL: new (owner?: ParseObject) => ParseAcl;
  File: unknown;
  Cloud: {
    afterSave(what: unknown, trigger: (request: TriggerRequest) => Promise<unknown>): void;
    afterLogin(trigger: (request: TriggerRequest) => Promise<unknown>): void;
  };
}
type Handler = (request: IncomingMessage, response: ServerResponse) => void;
interface Api {
  start(): Promise<unknown>;
  app: Handler;
  handleShutdown(): Promise<unknown>;
}
interface Express {
  use(path: string, handler: Handler): void;
  listen(port: number, host: string): Server;
}

const { env } = process;
const port = Number(env['PORT']);
const require = createRequire(join(env['PACKAGES'] ?? '', 'package.json'));
const { ParseServer } = require('parse-server') as { ParseServer: new (options: object) => Api };
const FilesAdapter = require('@parse/fs-files-adapter') as new (options: object) => object;
const express = createRequire(require.resolve('parse-server'))('express') as () => Express;

const pointer = (targetClass: string) => ({ type: 'Pointer', targetClass });
const signedIn = { requiresAuthentication: true };
const auditor = { 'role:auditor': true };
/** Only the master key. */
const nobody = {};
const signedInReads = { find: signedIn, get: signedIn, count: signedIn };
const nobodyWrites = { create: nobody, update: nobody, delete: nobody };

const definitions = [
  {
    className: 'Item',
    fields: { title: { type: 'String' }, note: { type: 'String' }, owner: pointer('_User') },
    indexes: { item_owner: { owner: 1 } },
    classLevelPermissions: {
      ...signedInReads,
      create: signedIn,
      update: signedIn,
      delete: signedIn,
    },
  },
  {
    className: 'Document',
    fields: {
      name: { type: 'String' },
      size: { type: 'Number' },
      file: { type: 'File' },
      owner: pointer('_User'),
    },
    indexes: { document_owner: { owner: 1 } },
    classLevelPermissions: { ...signedInReads, ...nobodyWrites },
  },
  {
    className: 'AuditLog',
    fields: { action: { type: 'String' }, actor: pointer('_User'), target: { type: 'String' } },
    indexes: { audit_created: { createdAt: 1 } },
    classLevelPermissions: { find: auditor, get: auditor, count: auditor, ...nobodyWrites },
  },
];

interface Entry {
  action: string;
  user: ParseObject | undefined;
  target: string;
}

function defineTriggers(): void {
  const { Parse } = globalThis as unknown as { Parse: Parse };
  const record = ({ action, user, target }: Entry): Promise<unknown> => {
    const row = new Parse.Object('AuditLog', { action, target, ...(user && { actor: user }) });
    const acl = new Parse.ACL();
    acl.setRoleReadAccess('auditor', true);
    row.setACL(acl);
    return row.save(null, { useMasterKey: true });
  };
  Parse.Cloud.afterSave('Item', ({ user, object, original }) =>
    record({ action: original ? 'item.update' : 'item.create', user, target: object.id }),
  );
  Parse.Cloud.afterLogin(({ object }) =>
    record({ action: 'user.login', user: object, target: object.id }),
  );
  Parse.Cloud.afterSave(Parse.File, async ({ user, file, fileSize }) => {
    const content = { name: file.name(), size: fileSize, file, owner: user };
    const document = new Parse.Object('Document', content);
    document.setACL(new Parse.ACL(user));
    await document.save(null, { useMasterKey: true });
    await record({ action: 'file.create', user, target: file.name() });
  });
}

const onlySignedIn = {
  enableForPublic: false,
  enableForAnonymousUser: false,
  enableForAuthenticatedUser: true,
};
const api = new ParseServer({
  appId: 'bench',
  masterKey: env['PARSE_MASTER_KEY'],
  databaseURI: env['DATABASE_URI'],
  serverURL: `http://127.0.0.1:${port}/parse`,
  publicServerURL: env['PUBLIC_URL'],
  mountPath: '/parse',
  logsFolder: null,
  logLevel: 'error',
  silent: true,
  maxUploadSize: '64mb',
  allowClientClassCreation: false,
  filesAdapter: new FilesAdapter({ filesSubDirectory: 'bench' }),
  fileUpload: onlySignedIn,
  fileDownload: onlySignedIn,
  schema: { strict: false, definitions },
  cloud: defineTriggers,
});
await api.start();
const app = express();
app.use('/parse', api.app);
const server = app.listen(port, '127.0.0.1');
process.on('SIGTERM', () => {
  server.close();
  void api.handleShutdown().finally(() => process.exit(0));
});
