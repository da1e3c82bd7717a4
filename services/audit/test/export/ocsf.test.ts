import { test } from 'tap';
import { classify } from '../../export/ocsf-classes.ts';
import { ocsf } from '../../export/ocsf.ts';
import { aRow, written } from './rows.ts';

type Value = Record<string, unknown>;

const has = (value: unknown, ...names: string[]): boolean =>
  names.every(
    (name) => (value as Value | undefined)?.[name] !== undefined && (value as Value)[name] !== null,
  );
const hasOne = (value: unknown, ...names: string[]): boolean =>
  names.some((name) => has(value, name));
const ENDPOINT = [
  'ip',
  'uid',
  'name',
  'hostname',
  'svc_name',
  'instance_uid',
  'interface_uid',
  'interface_name',
  'domain',
];

/**
 * Required attributes and constraints of OCSF 1.3.0, from the definitions in
 * github.com/ocsf/ocsf-schema.
 */
const OBJECTS: Record<string, (value: unknown) => boolean> = {
  metadata: (value) =>
    has(value, 'version', 'product') && has((value as Value).product, 'name', 'vendor_name'),
  actor: (value) =>
    hasOne(value, 'process', 'user', 'invoked_by', 'session', 'app_name', 'app_uid'),
  user: (value) => hasOne(value, 'account', 'name', 'uid'),
  src_endpoint: (value) => hasOne(value, ...ENDPOINT),
  file: (value) => has(value, 'name', 'type_id'),
  api: (value) => has(value, 'operation'),
  service: (value) => hasOne(value, 'name', 'uid'),
};
const CLASSES: Record<number, { category: number; required: string[]; activities: number[] }> = {
  3001: { category: 3, required: ['user'], activities: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 99] },
  3002: { category: 3, required: ['user', 'service'], activities: [1, 2, 3, 4, 5, 6, 99] },
  6003: { category: 6, required: ['actor', 'api', 'src_endpoint'], activities: [1, 2, 3, 4, 99] },
  6006: {
    category: 6,
    required: ['actor', 'file', 'src_endpoint'],
    activities: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 99],
  },
};

function faults(event: Value): string[] {
  const found: string[] = [];
  const expect = (holds: boolean | undefined, what: string): void => {
    if (!holds) found.push(what);
  };
  for (const name of [
    'activity_id',
    'category_uid',
    'class_uid',
    'type_uid',
    'severity_id',
    'time',
    'metadata',
  ])
    expect(has(event, name), name);
  const of = CLASSES[event.class_uid as number];
  expect(of?.category === event.category_uid, 'category_uid');
  expect(of?.activities.includes(event.activity_id as number), 'activity_id');
  expect(event.activity_id !== 99 || has(event, 'activity_name'), 'activity_name of «Other»');
  expect(
    event.type_uid === (event.class_uid as number) * 100 + (event.activity_id as number),
    'type_uid',
  );
  for (const name of of?.required ?? []) expect(has(event, name), name);
  for (const [name, holds] of Object.entries(OBJECTS))
    if (event[name] !== undefined) expect(holds(event[name]), name);
  const user = (event.actor as { user?: unknown } | undefined)?.user;
  expect(user === undefined || OBJECTS.user?.(user), 'actor.user');
  expect(
    Number.isInteger(event.time) && [1, 2].includes(event.status_id as number),
    'time and status_id',
  );
  return found;
}

const ACTIONS = [
  'SIGNUP_SUCCESS',
  'SIGNUP_FAIL',
  'LOGIN_SUCCESS',
  'LOGIN_FAIL',
  'LOGOUT',
  'SESSION_REVOKED',
  'TOKEN_REFRESHED',
  'TOKEN_REUSE_DETECTED',
  'PASSWORD_CHANGED',
  'PASSWORD_RESET_REQUESTED',
  'CODE_SENT',
  'EMAIL_CHANGE_REQUESTED',
  'USER_CREATED',
  'USER_UPDATED',
  'USER_DELETED',
  'FILE_UPLOAD',
  'FILE_DOWNLOAD',
  'FILE_RENAMED',
  'FILE_DELETE',
  'ACCESS_DENIED',
  'AUDIT_READ',
  'AUDIT_EXPORTED',
  'SUBJECT_ERASED',
  'WEBHOOK_CREATED',
  'QUARANTINE_REPLAYED',
  'VIEWER_TOKEN_REVOKED',
  'SOMETHING_ELSE',
];

test('each action has its class and all required fields, also without a known user', async (t) => {
  for (const action of ACTIONS) {
    const [known, nobody] = (
      await written(ocsf, [
        aRow(3, { action, resource: 'x', resource_type: 'user' }),
        aRow(
          4,
          {
            action,
            outcome: 'failure',
            user_id: null,
            session_id: null,
            resource: null,
            error: 'why',
          },
          null,
        ),
      ])
    )
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Value);
    t.same(faults(known ?? {}), [], action);
    t.same(faults(nobody ?? {}), [], `${action}, nobody`);
    t.match(nobody, {
      status_id: 2,
      status_detail: 'why',
      metadata: { version: '1.3.0', sequence: 4, event_code: action },
    });
    t.notMatch(JSON.stringify(nobody), /192\.0\.2\.7|ada@/);
  }
});

test("each action has its class; a customer's action is always an API activity", (t) => {
  t.match(classify({ source: 'user', action: 'LOGIN_FAIL' }), { class: 3002, activity: 1 });
  t.match(classify({ source: 'user', action: 'PASSWORD_CHANGED' }), { class: 3001, activity: 3 });
  t.match(classify({ source: 'file', action: 'FILE_DOWNLOAD' }), { class: 6006, activity: 2 });
  t.match(classify({ source: 'audit', action: 'WEBHOOK_DELETED' }), { class: 6003, activity: 4 });
  t.match(classify({ source: 'app', action: 'LOGIN_SUCCESS' }), { class: 6003, activity: 99 });
  t.match(classify({ source: 'app', action: 'INVOICE_CREATED' }), { class: 6003, activity: 1 });
  t.end();
});
