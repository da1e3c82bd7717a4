import { readdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import tap, { test } from 'tap';
import { shareFleet } from '../fleet.ts';
import { installPackage, runCommand } from './installed-package.ts';

const root = join(import.meta.dirname, '../../..');

/** Packing and installing take seconds, and no test changes it. */
const installed = installPackage(tap);

/** The README's examples, one program, for this fleet and an address of its own. */
async function readExamples(url: string): Promise<string> {
  const text = await readFile(join(root, 'packages/api-client/README.md'), 'utf8');
  const blocks = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code);
  return blocks
    .join('\n')
    .replaceAll('http://localhost:8080', url)
    .replaceAll('ada@example.com', `readme-${process.pid}-${Date.now()}@example.com`);
}

const CONFIG = {
  compilerOptions: {
    strict: true,
    exactOptionalPropertyTypes: true,
    module: 'nodenext',
    target: 'es2022',
    lib: ['es2022', 'dom', 'dom.iterable', 'dom.asynciterable'],
    types: [],
    skipLibCheck: false,
    outDir: 'out',
    rootDir: '.',
  },
  include: ['examples.ts'],
};

/** This Node, and that of the machine, which is often older. */
function listNodes(): string[] {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const other = folders.filter((folder) => !folder.includes('node_modules'));
  return [process.execPath, ...other.map((folder) => join(folder, 'node'))];
}

async function findNodes(folder: string): Promise<Map<string, string>> {
  const versions = new Map<string, string>();
  for (const node of listNodes()) {
    const version = await runCommand(folder, [node, '-p', 'process.version']).catch(() => '');
    if (Number(/^v(\d+)/.exec(version)?.[1]) >= 20) versions.set(version.trim(), node);
  }
  return versions;
}

test('the examples of the README run in a project that installed the package', async (t) => {
  const fleet = await shareFleet();
  const project = await installed;
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify(CONFIG));
  await runCommand(project, ['tsc', '--version']);
  const nodes = await findNodes(project);
  t.ok(nodes.size > 0);
  for (const [version, node] of nodes) {
    await writeFile(join(project, 'examples.ts'), await readExamples(fleet.url));
    await runCommand(project, ['tsc', '-p', 'tsconfig.json']);
    const printed = await runCommand(project, [node, 'out/examples.js']);
    t.match(
      printed.replaceAll(/readme-\d+-\d+/g, 'ada').split('\n'),
      [
        'signed in as ada@example.com',
        '409 email_taken',
        'token backup, 201',
        '300000 bytes sent',
        '300000 bytes received',
        'file notes.txt',
        'event SIGNUP_SUCCESS',
      ],
      version,
    );
    t.match(printed, /event FILE_UPLOAD\nsigned out\n$/, version);
  }
});

test('the package has JavaScript and types, no sources, and needs nothing of Node', async (t) => {
  const folder = join(await installed, 'node_modules/@muniment/api-client');
  const files = await readdir(folder, { recursive: true });
  t.ok(files.includes('README.md'));
  t.ok(files.includes('dist/index.d.ts'));
  t.notOk(files.some((name) => /(?<!\.d)\.ts$/.test(name)));
  const modules = files.filter((name) => name.endsWith('.js'));
  t.ok(modules.length > 10);
  for (const name of modules) {
    const code = await readFile(join(folder, name), 'utf8');
    const imports = [...code.matchAll(/^(?:import|export) .*?from '([^']+)'/gms)];
    for (const [, specifier = ''] of imports) t.match(specifier, /^\.\.?\/.+\.js$/, name);
    t.notMatch(code, /\b(?:Buffer|process|require)\b\s*[.(]/, name);
  }
});

test('TypeScript 5 takes the types, by either way of finding modules', async (t) => {
  const project = await installed;
  await writeFile(join(project, 'examples.ts'), await readExamples('http://localhost'));
  for (const resolution of [
    { module: 'node16', moduleResolution: 'node16' },
    { module: 'esnext', moduleResolution: 'bundler' },
  ]) {
    // Its own libraries are not ours to check, and would take most of the time.
    const only = { noEmit: true, skipDefaultLibCheck: true };
    const compilerOptions = { ...CONFIG.compilerOptions, ...resolution, ...only };
    await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ ...CONFIG, compilerOptions }));
    const compiler = join(root, 'node_modules/typescript-5/bin/tsc');
    t.match(await runCommand(project, [process.execPath, compiler, '--version']), /^Version 5\./);
    const compiled = runCommand(project, [process.execPath, compiler, '-p', 'tsconfig.json']);
    await t.resolves(compiled, resolution.moduleResolution);
  }
});

test('a call that does not fit the document does not compile', async (t) => {
  const project = await installed;
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify(CONFIG));
  const wrong = [
    `await client.api.files.getFileMetadata();`,
    `await client.api.files.getFileMetadata({ path: { id: 1n } });`,
    `await client.api.files.listFiles({ query: { limit: '5' } });`,
    `await client.logIn({ email: 'ada@example.com' });`,
    `(await client.api.account.getProfile()).data.shoe_size;`,
    `isProblem(undefined, 'no_such_code');`,
    `for await (const _ of client.api.account.getProfile()) break;`,
  ];
  for (const line of wrong) {
    const code = `import { createClient, isProblem } from '@muniment/api-client';
const client = createClient({ url: '' });
// @ts-expect-error: that is the test
${line}
export { isProblem };
`;
    await writeFile(join(project, 'examples.ts'), code);
    await t.resolves(runCommand(project, ['tsc', '-p', 'tsconfig.json']), line);
  }
});
