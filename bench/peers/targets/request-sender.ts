import { must } from '../load/checks.ts';
import type { Client, SentRequest } from '../load/client.ts';
import {
  BYTES,
  FIXED,
  type FileSize,
  makeUnique,
  uploadBody,
  type UploadBody,
} from '../load/content.ts';
import type { Operation } from '../options.ts';
import type {
  Actor,
  Actors,
  RequestDescription,
  TargetSpec,
  Upload,
  Variables,
} from './target-spec.ts';

/** Users with a file of 16 MiB of their own. */
export const LARGE_FILE_USERS = 4;

/** What a target's requests so far have left. */
export interface State {
  client: Client;
  actors: Actors;
  /** Requests so far. */
  sent: number;
  /** Good answers and logged events since and at `begin`. */
  answered: number;
  logged: number | undefined;
  /** The last upload of each worker, by size. */
  last: Map<string, Upload & { size: FileSize; body: UploadBody }>;
  bodies: Map<string, UploadBody>;
  largeFiles: Upload[];
}

/** Puts values in the place of {name}. */
export function fill(text: string, variables: Variables): string {
  return text.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = variables[name];
    must(value !== undefined, `no ${name} is known for ${text}`);
    return value;
  });
}

function actorOf(
  { users, ...others }: Actors,
  { as, download }: RequestDescription,
  worker: number,
): Actor {
  const user = users[worker % (download === '16m' ? LARGE_FILE_USERS : users.length)];
  must(user, 'there is no user');
  return as === 'user' || as === 'anonymous' ? user : others[as];
}

/** The body of a worker's next upload. Its memory is used again and again. */
function nextUpload(state: State, worker: number, upload: RequestDescription['upload']) {
  if (!upload) return undefined;
  const { size, form } = upload;
  const key = `${size}/${worker}`;
  const body = state.bodies.get(key) ?? uploadBody(form, FIXED[size], `bench-${size}.bin`);
  state.bodies.set(key, body);
  state.last.delete(key);
  makeUnique(body, worker, state.sent);
  return { key, size, body };
}

/** Sends one request of an operation after another, and checks each answer. */
export function createSender(spec: TargetSpec, state: State, operation: Operation) {
  const description = spec.requests[operation];
  const { method, path, as, json, status = 200, check } = description;
  const template = json && JSON.stringify(json);
  const expected = description.download && FIXED[description.download];
  return async (worker: number): Promise<void> => {
    const owner = actorOf(state.actors, description, worker);
    state.sent += 1;
    const variables: Variables = { ...owner.variables, n: String(state.sent) };
    const upload = nextUpload(state, worker, description.upload);
    if (upload) variables['size'] = String(BYTES[upload.size]);
    const request: SentRequest = {
      method,
      path: fill(path, variables),
      headers: { ...spec.headers, ...(as === 'anonymous' ? {} : owner.headers) },
      body: upload?.body.body ?? (template && fill(template, variables)),
    };
    if (template) request.headers['content-type'] = 'application/json';
    if (upload) request.headers['content-type'] = upload.body.contentType;
    const answer = await state.client.send(request, expected);
    must(
      answer.status === status,
      `${method} ${path}: ${answer.status} ${answer.text.slice(0, 200)}`,
    );
    state.answered += 1;
    const id = check?.(JSON.parse(answer.text), variables);
    if (!upload) return;
    must(id, 'an upload without an id');
    state.last.set(upload.key, { id, owner, size: upload.size, body: upload.body });
    if (upload.size === '16m') state.largeFiles.push({ id, owner });
  };
}
