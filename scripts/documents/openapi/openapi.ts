/** Makes the OpenAPI document of the three services from their routes (docs/decisions/0045). */
import { formatJson, sortNames, type JsonObject } from '../json.ts';
import { INFO, PARAMETERS, RESPONSES, SECURITY_SCHEMES, TAGS } from './frame.ts';
import type { Parts } from './answers.ts';
import { HEADERS } from './headers.ts';
import { requireOperations } from './descriptions.ts';
import { describeOperation, toTemplate } from './operations.ts';
import { createProblems } from './problems.ts';
import { methodsOf } from './stated-problems.ts';
import { listRoutes, type DocumentedRoute } from '../routes.ts';
import { createSchemas, findResources } from '../schemas.ts';

function describePaths(routes: readonly DocumentedRoute[], parts: Parts): JsonObject {
  const paths: Record<string, JsonObject> = {};
  for (const { definition } of routes) {
    const path = (paths[toTemplate(definition.url)] ??= {});
    for (const method of methodsOf(definition))
      path[method.toLowerCase()] = describeOperation(definition, method, parts);
  }
  return paths;
}

/** @throws when a tag has no sentence, or a schema's name stands for two */
function describeTags(routes: readonly DocumentedRoute[]): JsonObject[] {
  const used = new Set(routes.map(({ definition }) => definition.operation.split('.')[0] ?? ''));
  for (const name of used)
    if (!(name in TAGS)) throw new Error(`the tag ${name} lacks a sentence in openapi/frame.ts`);
  return Object.entries(TAGS)
    .filter(([name]) => used.has(name))
    .map(([name, description]) => ({ name, description }));
}

/** The text of docs/openapi.json. The same routes give the same text. */
export async function renderOpenapi(): Promise<string> {
  const routes = listRoutes();
  requireOperations(new Set(routes.map(({ definition }) => definition.operation)));
  const parts = { schemas: createSchemas(await findResources()), problems: createProblems() };
  const paths = describePaths(routes, parts);
  return formatJson({
    openapi: '3.1.0',
    info: INFO,
    servers: [{ url: '/', description: 'The gateway that serves this document.' }],
    tags: describeTags(routes),
    paths,
    components: {
      securitySchemes: SECURITY_SCHEMES,
      schemas: sortNames({ ...parts.schemas.components, ...parts.problems.schemas }),
      parameters: PARAMETERS,
      headers: HEADERS,
      responses: { ...RESPONSES, ...sortNames(parts.problems.responses) },
      examples: sortNames(parts.problems.examples),
    },
  });
}
