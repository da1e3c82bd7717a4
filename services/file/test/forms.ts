import type { App } from '@muniment/server';
import type { FileResource } from '../files/file-resource.ts';
import type { TestUser } from './build.ts';

/** A multipart/form-data body as a browser encodes it. */
export async function form(
  ...parts: { name?: string; filename?: string; type?: string; content: Buffer | string }[]
): Promise<{ payload: Buffer; headers: { 'content-type': string } }> {
  const data = new FormData();
  for (const {
    name = 'file',
    filename = 'a.bin',
    type = 'application/octet-stream',
    content,
  } of parts) {
    data.append(
      name,
      new File([typeof content === 'string' ? content : new Uint8Array(content)], filename, {
        type,
      }),
    );
  }
  const response = new Response(data);
  return {
    payload: Buffer.from(await response.arrayBuffer()),
    headers: { 'content-type': response.headers.get('content-type') ?? '' },
  };
}

/** Uploads one file. @returns its resource */
export async function upload(
  app: App,
  user: TestUser,
  content: Buffer | string,
  filename = 'a.bin',
  type?: string,
): Promise<FileResource> {
  const { payload, headers } = await form({
    filename,
    content,
    ...(type !== undefined && { type }),
  });
  const answer = await app.inject({
    method: 'POST',
    url: '/api/files',
    headers: { ...user.headers, ...headers },
    payload,
  });
  if (answer.statusCode !== 201)
    throw new Error(`upload answered ${answer.statusCode} ${answer.body}`);
  return answer.json();
}
