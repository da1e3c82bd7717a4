import { renderPage } from './asyncapi/page.ts';
import { describeAsyncapi, renderYaml } from './asyncapi/asyncapi.ts';
import { formatJson } from './json.ts';
import { renderOpenapi } from './openapi/openapi.ts';

/** Every generated file with its text. */
export async function renderDocuments(): Promise<[file: string, text: string][]> {
  const asyncapi = await describeAsyncapi();
  return [
    ['docs/openapi.json', await renderOpenapi()],
    ['docs/asyncapi.json', formatJson(asyncapi)],
    ['docs/asyncapi.yaml', renderYaml(asyncapi)],
    ['nginx/pages/api-docs-async.html', renderPage(asyncapi)],
  ];
}
