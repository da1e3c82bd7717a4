import { contentOf, type StoredFile } from './account.ts';
import { sendAndComplete } from './create-client.ts';
import type { Turn } from './turn.ts';

export async function upload({ client, account, token, action: { size } }: Turn): Promise<void> {
  const name = client.createName('file');
  const form = new FormData();
  form.append(
    'file',
    new File([contentOf({ name, size })], name, { type: 'application/octet-stream' }),
  );
  const answer = await client.send({
    kind: 'upload',
    method: 'POST',
    path: '/api/files',
    token,
    body: form,
    headers: { 'idempotency-key': name },
  });
  if (answer.operation.result === 'ok') {
    const { id } = JSON.parse(answer.text) as { id: string };
    answer.operation.file = id;
    account.files.push({ id, name, size });
  }
  client.complete(answer);
}

/** Downloads a file of the account; uploads the first one. */
export async function download(turn: Turn): Promise<void> {
  const { client, token } = turn;
  const file = chooseFile(turn);
  if (!file) return upload(turn);
  const answer = await client.send({
    kind: 'download',
    method: 'GET',
    path: `/api/files/${file.id}`,
    token,
    file: file.id,
  });
  if (answer.operation.result === 'ok' && answer.text !== contentOf(file))
    answer.operation.note = 'other bytes than were uploaded';
  client.complete(answer);
}

/** Deletes a file of the account; uploads the first one. */
export async function deleteFile(turn: Turn): Promise<void> {
  const { client, account, token } = turn;
  const file = chooseFile(turn);
  if (!file) return upload(turn);
  account.files = account.files.filter((other) => other !== file);
  await sendAndComplete(client, {
    kind: 'delete_file',
    method: 'DELETE',
    path: `/api/files/${file.id}`,
    token,
    file: file.id,
  });
}

const chooseFile = ({ account: { files }, action }: Turn): StoredFile | undefined =>
  files[Math.floor(action.choice * files.length)];
