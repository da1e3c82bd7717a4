import type { Test } from 'tap';

export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  request_id: string;
}

/**
 * Asserts that an answer is a problem (RFC 9457) in the product's shape. @returns it
 * @param code the expected code; absent: any
 */
export async function isProblem(
  t: Test,
  answer: Response,
  status: number,
  code: string | undefined,
  name: string,
): Promise<Problem> {
  const text = await answer.text();
  t.equal(answer.status, status, `${name}: status; ${text.slice(0, 300)}`);
  t.equal(
    answer.headers.get('content-type')?.split(';')[0],
    'application/problem+json',
    `${name}: media type`,
  );
  const problem = parse(text);
  t.match(
    problem,
    {
      type: /./,
      title: /./,
      status,
      detail: /./,
      code: code ?? /^[a-z][a-z0-9_]+$/,
      request_id: answer.headers.get('x-request-id') ?? /./,
    },
    `${name}: body`,
  );
  if (status === 503)
    t.match(answer.headers.get('retry-after'), /^[1-9]\d?$/, `${name}: says when to come again`);
  return problem;
}

function parse(text: string): Problem {
  try {
    return JSON.parse(text) as Problem;
  } catch {
    return { type: '', title: '', status: 0, detail: '', code: '', request_id: '' };
  }
}
