import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { timeBound, until, type Teardown } from '@muniment/testing';

/** What Debian and others call Chromium. */
const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome'];
const COMMAND_TIMEOUT_MS = 10_000;

/** The installed Chromium, or undefined. */
export function findChromium(): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/bin'];
  return folders
    .flatMap((folder) => PROGRAMS.map((program) => join(folder, program)))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** The options of a test that needs Chromium. */
export const withChromium =
  findChromium() === undefined
    ? { skip: 'no Chromium is installed (Debian: apt-get install chromium)' }
    : {};

export interface PageRequest {
  method: string;
  url: string;
  /** Names in lower case. */
  headers: Record<string, string>;
}

/** One tab. */
export interface Page {
  /** Opens a URL and waits until it is loaded. */
  open(url: string): Promise<void>;
  /** Runs an expression in the page. */
  evaluate<T>(expression: string): Promise<T>;
  /** Clicks the first element of a selector. */
  click(selector: string): Promise<void>;
  /** Types into the element that has the focus. */
  type(text: string): Promise<void>;
  /** Waits until the visible text contains `text`. */
  reads(text: string): Promise<void>;
  setWidth(width: number): Promise<void>;
  /** Every URL that the tab can go back to. */
  history(): Promise<string[]>;
  /** A PNG, for people. */
  screenshot(): Promise<Buffer>;
  requests: PageRequest[];
  /** Errors of scripts, and what the content security policy refused. */
  errors: string[];
}

interface Message {
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
  result?: unknown;
  error?: { message: string };
}

type Send = (method: string, params?: object) => Promise<never>;

/** Starts a headless Chromium for this test alone, with one tab (Chrome DevTools Protocol). */
export async function openPage(t: Teardown, program: string): Promise<Page> {
  const profile = await mkdtemp(join(tmpdir(), 'chromium-'));
  const child = spawn(
    program,
    [
      '--headless=new',
      '--no-sandbox', // the tests may run as root
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--no-first-run',
      '--remote-debugging-port=0',
      `--user-data-dir=${profile}`,
      'about:blank',
    ],
    { stdio: 'ignore' },
  );
  const exited = new Promise((resolve) => child.once('exit', resolve));
  t.teardown(async () => {
    child.kill('SIGKILL');
    await exited;
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  });
  const page: Page = { requests: [], errors: [] } as unknown as Page;
  const send = await connect(t, await findTab(profile), (message) => observe(page, message));
  for (const domain of ['Page', 'Network', 'Runtime', 'Log']) await send(`${domain}.enable`);
  return Object.assign(page, actions(send));
}

async function findTab(profile: string): Promise<string> {
  const read = async (): Promise<string | undefined> => {
    try {
      const text = await readFile(join(profile, 'DevToolsActivePort'), 'utf8');
      const answer = await fetch(`http://127.0.0.1:${text.split('\n')[0]}/json/list`);
      const tabs = (await answer.json()) as { type: string; webSocketDebuggerUrl: string }[];
      return tabs.find(({ type }) => type === 'page')?.webSocketDebuggerUrl;
    } catch {
      return undefined; // not started yet
    }
  };
  let url: string | undefined;
  await until(async () => (url = await read()) !== undefined, { what: 'a tab of Chromium' });
  return url ?? '';
}

async function connect(
  t: Teardown,
  url: string,
  onEvent: (message: Message) => void,
): Promise<Send> {
  const socket = new WebSocket(url);
  t.teardown(() => socket.close());
  const waiting = new Map<number, (message: Message) => void>();
  let last = 0;
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(String(data)) as Message;
    if (message.id === undefined) onEvent(message);
    else waiting.get(message.id)?.(message);
  };
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve();
    socket.onerror = () => reject(new Error('Chromium refused the debugger'));
  });
  return (method, params = {}) =>
    new Promise((resolve, reject) => {
      const id = (last += 1);
      const limit = timeBound(COMMAND_TIMEOUT_MS);
      const timer = setTimeout(() => reject(new Error(`no answer to ${method}`)), limit);
      waiting.set(id, ({ result, error }) => {
        clearTimeout(timer);
        waiting.delete(id);
        if (error) reject(new Error(`${method}: ${error.message}`));
        else resolve(result as never);
      });
      socket.send(JSON.stringify({ id, method, params }));
    });
}

function observe(page: Page, { method, params = {} }: Message): void {
  if (method === 'Network.requestWillBeSent') {
    const { request } = params as { request: PageRequest };
    const headers = Object.entries(request.headers).map(([name, value]) => [
      name.toLowerCase(),
      value,
    ]);
    page.requests.push({ ...request, headers: Object.fromEntries(headers) });
  }
  if (method === 'Runtime.exceptionThrown') page.errors.push(JSON.stringify(params));
  if (method === 'Log.entryAdded') {
    const { entry } = params as { entry: { level: string; source: string; text: string } };
    // A 4xx that the page answers for is no error of the page.
    if (entry.level === 'error' && entry.source !== 'network') page.errors.push(entry.text);
  }
}

function actions(send: Send): Omit<Page, 'requests' | 'errors'> {
  const evaluate = async <T>(expression: string): Promise<T> => {
    const answer: { result: { value: T }; exceptionDetails?: { text: string } } = await send(
      'Runtime.evaluate',
      { expression, returnByValue: true, awaitPromise: true },
    );
    if (answer.exceptionDetails) throw new Error(`${expression}: ${answer.exceptionDetails.text}`);
    return answer.result.value;
  };
  return {
    evaluate,
    async open(url) {
      await send('Page.navigate', { url });
      await until(() => evaluate<boolean>('document.readyState === "complete"'), { what: url });
    },
    async click(selector) {
      await evaluate(`document.querySelector(${JSON.stringify(selector)}).click()`);
    },
    async type(text) {
      await send('Input.insertText', { text });
    },
    async reads(text) {
      await until(() => evaluate(`document.body.innerText.includes(${JSON.stringify(text)})`), {
        what: `the page reads "${text}"`,
        timeoutMs: timeBound(10_000),
      });
    },
    async setWidth(width) {
      const metrics = { width, height: 740, deviceScaleFactor: 2, mobile: width < 600 };
      await send('Emulation.setDeviceMetricsOverride', metrics);
    },
    async history() {
      const answer: { entries: { url: string }[] } = await send('Page.getNavigationHistory');
      return answer.entries.map(({ url }) => url);
    },
    async screenshot() {
      const { data }: { data: string } = await send('Page.captureScreenshot');
      return Buffer.from(data, 'base64');
    },
  };
}
