import type { IncomingMessage, ServerResponse } from 'node:http';
import { S3Error } from '../s3/protocol/errors.ts';
import { authorize, type Credentials } from '../s3/protocol/signature.ts';

/** An error of the Kinesis API: "Common Errors" of its reference. */
export interface Refusal {
  type:
    | 'MissingAuthenticationTokenException'
    | 'UnrecognizedClientException'
    | 'InvalidSignatureException';
  message: string;
}

const CREDENTIAL = /\bCredential=([^/,\s]+)\//;

/**
 * Verifies the signature (AWS Signature Version 4) of a request's headers. @returns why not
 * The signed digest of the body is not compared with it: fault proxies take records out of bodies.
 */
export function findRefusal(
  { method = '', url, headers, headersDistinct }: IncomingMessage,
  credentials: readonly Credentials[],
): Refusal | undefined {
  if (headers.authorization === undefined || url !== '/')
    return { type: 'MissingAuthenticationTokenException', message: 'Missing Authentication Token' };
  const accessKeyId = CREDENTIAL.exec(headers.authorization)?.[1];
  const owner = credentials.find((known) => known.accessKeyId === accessKeyId);
  if (!owner)
    return {
      type: 'UnrecognizedClientException',
      message: 'The security token included in the request is invalid.',
    };
  try {
    const request = { method, path: url, query: [], headers: headersDistinct };
    authorize(request, owner, { now: Date.now(), service: 'kinesis' });
    return undefined;
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    return { type: 'InvalidSignatureException', message: error.message };
  }
}

export function sendRefusal(response: ServerResponse, { type, message }: Refusal): void {
  response
    .writeHead(400, { 'content-type': 'application/x-amz-json-1.1' })
    .end(JSON.stringify({ __type: type, message }));
}
