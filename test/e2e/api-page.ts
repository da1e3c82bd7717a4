import type { Test } from 'tap';
import { until } from '@muniment/testing';
import type { Page } from './browser.ts';
import type { Fleet } from './fleet.ts';

/** Waits for an element: Swagger UI draws each step anew. */
export const exists = (page: Page, selector: string): Promise<unknown> =>
  until(
    () => page.evaluate<boolean>(`document.querySelector(${JSON.stringify(selector)}) !== null`),
    { what: selector },
  );

/** That no request left the fleet, and the policy refused nothing. */
export function asksNobodyElse(t: Test, fleet: Fleet, page: Page): void {
  for (const { url } of page.requests.filter((one) => !/^(about|data):/.test(one.url)))
    t.equal(new URL(url).origin, fleet.url, `${url} is ours`);
  t.strictSame(page.errors, [], 'no script failed, and the policy refused nothing');
}

/** Clicks once the element is there. */
export async function press(page: Page, selector: string): Promise<void> {
  await exists(page, selector);
  await page.click(selector);
}

/** Types into a field, in the place of what it holds. */
export async function fill(page: Page, selector: string, text: string): Promise<void> {
  await exists(page, selector);
  const field = `document.querySelector(${JSON.stringify(selector)})`;
  await page.evaluate(`(${field}.focus(), ${field}.select())`);
  await page.type(text);
  // Swagger UI reads a field after a pause, or when it is left.
  await page.evaluate(`${field}.blur()`);
}

export interface Shown<Body> {
  status: number;
  body: Body;
}

/** One operation of the page, as somebody uses it who has nothing else. */
export function openOperation(page: Page, name: string) {
  const block = `[id$=".${name}"]`;
  const answer = `${block} .live-responses-table .response`;
  return {
    block,
    open: () => press(page, `${block} .opblock-summary-control`),
    fill: (parameter: string, text: string) =>
      fill(page, `${block} [data-param-name="${parameter}"] input`, text),
    /** Presses Execute. @returns what the page then shows as the server's answer */
    async execute<Body>(): Promise<Shown<Body>> {
      await press(page, `${block} .btn.execute`);
      await exists(page, answer);
      const read = (part: string): Promise<string> =>
        page.evaluate(`document.querySelector(${JSON.stringify(`${answer} ${part}`)}).innerText`);
      const status = Number.parseInt(await read('.response-col_status'), 10);
      const body = JSON.parse(await read('.highlight-code code')) as Body;
      await press(page, `${block} .opblock-summary-control`);
      return { status, body };
    },
  };
}

/** Gives a token to Authorize, under bearer. */
export async function authorize(page: Page, token: string): Promise<void> {
  await press(page, '.btn.authorize');
  await fill(page, '#auth-bearer-value', token);
  await press(page, '.auth-container:has(#auth-bearer-value) .btn.authorize');
  await press(page, '.btn-done');
}
