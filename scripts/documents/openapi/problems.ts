import { STATUS_CODES } from 'node:http';
import { PROBLEM_SCHEMA } from './frame.ts';
import { headersOfProblems } from './headers.ts';
import { toPascal, type JsonObject } from '../json.ts';
import { VALIDATION_FAILED, type DocumentedProblem } from './stated-problems.ts';

const exampleName = ({ status, code }: DocumentedProblem): string => `${code}_${status}`;

function exampleOf({ status, code, detail }: DocumentedProblem): JsonObject {
  const errors =
    code === VALIDATION_FAILED.code
      ? { errors: [{ pointer: '/email', message: 'must NOT have fewer than 3 characters' }] }
      : {};
  return {
    summary: detail,
    value: {
      type: `https://muniment.dev/problems/${code}`,
      title: STATUS_CODES[status] ?? 'Error',
      status,
      detail,
      code,
      request_id: '5f0c3a1be0d94b0f8a4c2f6d7e8b9a01',
      ...errors,
    },
  };
}

/** The problems of a document: each code's schema and example stand once. */
export interface Problems {
  /** The answers of a route by status, as references to components. */
  describe(problems: readonly DocumentedProblem[], replayable: boolean): JsonObject;
  schemas: Record<string, JsonObject>;
  examples: Record<string, JsonObject>;
  responses: Record<string, JsonObject>;
}

/** An answer of more codes than this has no name that anybody would read. */
const MAX_NAMED_CODES = 4;

const responseName = (problems: readonly DocumentedProblem[], headers: JsonObject): string => {
  const codes = problems.map(({ code }) => toPascal(code)).join('Or');
  return 'Idempotent-Replayed' in headers ? `${codes}OrReplayed` : codes;
};

export function createProblems(): Problems {
  const schemas: Record<string, JsonObject> = { Problem: PROBLEM_SCHEMA };
  const examples: Record<string, JsonObject> = {};
  const responses: Record<string, JsonObject> = {};

  function answer(problems: readonly DocumentedProblem[], replayable: boolean): JsonObject {
    const status = problems[0]?.status ?? 500;
    const headers = headersOfProblems(status, problems, replayable);
    const described = answerOf(problems, headers, addCode);
    if (problems.length > MAX_NAMED_CODES) return described;
    const name = `${responseName(problems, headers)}${status}`;
    responses[name] = described;
    return { $ref: `#/components/responses/${name}` };
  }

  function addCode(problem: DocumentedProblem): string {
    const { status, code } = problem;
    const name = `${toPascal(code)}Problem`;
    const statuses = new Set([status, ...statusesOf(schemas[name])]);
    schemas[name] = {
      allOf: [
        { $ref: '#/components/schemas/Problem' },
        {
          type: 'object',
          required: ['status', 'code'],
          properties: {
            status: { type: 'integer', enum: [...statuses].toSorted((a, b) => a - b) },
            code: { type: 'string', const: code },
          },
        },
      ],
    };
    examples[exampleName(problem)] = exampleOf(problem);
    return name;
  }

  return {
    schemas,
    examples,
    responses,
    describe(problems, replayable) {
      const byStatus = Object.groupBy(problems, ({ status }) => String(status));
      return Object.fromEntries(
        Object.entries(byStatus).map(([status, group = []]) => [status, answer(group, replayable)]),
      );
    },
  };
}

const statusesOf = (schema: JsonObject | undefined): number[] => {
  const [, own] = (schema?.['allOf'] ?? []) as { properties?: { status: { enum: number[] } } }[];
  return own?.properties?.status.enum ?? [];
};

function answerOf(
  problems: readonly DocumentedProblem[],
  headers: JsonObject,
  addCode: (problem: DocumentedProblem) => string,
): JsonObject {
  const schemas = problems.map((problem) => ({ $ref: `#/components/schemas/${addCode(problem)}` }));
  const lines = problems.map(({ code, detail }) => `- \`${code}\`: ${detail}`);
  const status = problems[0]?.status ?? 500;
  return {
    description: `${STATUS_CODES[status]}.\n\n${lines.join('\n')}`,
    headers,
    content: {
      'application/problem+json': {
        schema: schemas.length === 1 && schemas[0] ? schemas[0] : { anyOf: schemas },
        examples: Object.fromEntries(
          problems.map((problem) => [
            problem.code,
            { $ref: `#/components/examples/${exampleName(problem)}` },
          ]),
        ),
      },
    },
  };
}
