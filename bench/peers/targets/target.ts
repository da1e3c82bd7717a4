import { must, PAGE_SIZE } from '../load/checks.ts';
import type { Client } from '../load/client.ts';
import { FIXED, type FileSize, uploadBody } from '../load/content.ts';
import type { Operation } from '../options.ts';
import { createSender, fill, LARGE_FILE_USERS, type State } from './request-sender.ts';
import type { Actor, ProcessGroups, StartedTarget, TargetSpec } from './target-spec.ts';

const SMALL_BYTES = 1024;

export interface Target {
  name: string;
  processes(): Promise<ProcessGroups>;
  /** Counts the events that the log has of an operation, to compare in `verify`. */
  begin(operation: Operation): Promise<void>;
  /** Sends one request and checks its answer. */
  send(operation: Operation): (worker: number) => Promise<void>;
  isCaughtUp(): Promise<boolean>;
  /**
   * Reads the last uploads back, and compares the log with the answers since `begin`.
   * @returns how many were compared @throws Error when one is missing or differs
   */
  verify(operation: Operation): Promise<number>;
  /** Removes the large files that an operation has left. */
  clean(): Promise<void>;
}

/** Stores one file outside the measurement. @returns its id */
async function storeFile(
  { spec, state }: { spec: TargetSpec; state: State },
  owner: Actor,
  { size, content = FIXED[size] }: { size: FileSize; content?: Buffer },
): Promise<string> {
  const { method, path, upload, status = 200, check } = spec.requests[`upload-${size}`];
  const { body, contentType } = uploadBody(upload?.form ?? 'raw', content, `bench-${size}.bin`);
  const answer = await state.client.send({
    method,
    path: fill(path, owner.variables),
    headers: { ...spec.headers, ...owner.headers, 'content-type': contentType },
    body,
  });
  must(answer.status === status, `an upload answered ${answer.status}: ${answer.text}`);
  const variables = { ...owner.variables, size: String(content.length) };
  const id = check?.(JSON.parse(answer.text), variables);
  must(id, 'an upload without an id');
  return id;
}

/** Signs everybody in, and stores what lists and downloads will read. */
async function prepare(spec: TargetSpec, state: State): Promise<void> {
  const { users, lister } = state.actors;
  for (const [worker, user] of users.entries()) {
    user.variables['f64k'] = await storeFile({ spec, state }, user, { size: '64k' });
    if (worker < LARGE_FILE_USERS)
      user.variables['f16m'] = await storeFile({ spec, state }, user, { size: '16m' });
  }
  const small = { size: '64k', content: FIXED['64k'].subarray(0, SMALL_BYTES) } as const;
  let files = await spec.countFiles(state.client, lister);
  for (; files < PAGE_SIZE; files += 1) await storeFile({ spec, state }, lister, small);
  // The audit log gets its page.
  const change = createSender(spec, state, 'audit-write');
  for (let n = 0; n < PAGE_SIZE; n += 1) await change(n);
}

/** Reads the last uploads of each worker back. @returns how many */
async function verifyUploads(spec: TargetSpec, state: State, size: FileSize): Promise<number> {
  const { path } = spec.requests[`download-${size}`];
  const uploads = [...state.last.values()].filter((upload) => upload.size === size);
  must(uploads.length > 0, 'no upload is left to verify');
  for (const { id, owner, body } of uploads) {
    const { status } = await state.client.send(
      {
        method: 'GET',
        path: fill(path, { ...owner.variables, [`f${size}`]: id }),
        headers: { ...spec.headers, ...owner.headers },
      },
      body.content,
    );
    must(status === 200, `an upload read back answered ${status}`);
  }
  return uploads.length;
}

/** Prepares a product that runs for the load. */
export async function createTarget(
  { spec, processes }: StartedTarget,
  client: Client,
): Promise<Target> {
  const state: State = {
    client,
    actors: await spec.prepareActors(client),
    sent: 0,
    answered: 0,
    logged: undefined,
    last: new Map(),
    bodies: new Map(),
    largeFiles: [],
  };
  const countEvents = async (operation: Operation): Promise<number | undefined> =>
    spec.countEvents?.(client, state.actors.auditor, operation);
  await prepare(spec, state);
  return {
    name: spec.name,
    processes,
    async begin(operation) {
      state.answered = 0;
      state.logged = await countEvents(operation);
    },
    send: (operation) => createSender(spec, state, operation),
    isCaughtUp: async () => (await spec.isCaughtUp?.()) ?? true,
    async verify(operation) {
      const { answered, logged = 0 } = state;
      const events = await countEvents(operation);
      must(
        events === undefined || events - logged >= answered,
        `${answered} requests acknowledged, ${(events ?? 0) - logged} events in the log`,
      );
      // A product that stores nothing has nothing to read back.
      if (operation === 'upload-64k' || operation === 'upload-16m')
        return spec.remove
          ? verifyUploads(spec, state, operation === 'upload-64k' ? '64k' : '16m')
          : 0;
      return events === undefined ? 0 : answered;
    },
    async clean() {
      await spec.remove?.(client, state.largeFiles.splice(0));
    },
  };
}
