/** Stands in for MinIO's client: the commands of docker/object-store/prepare.sh, and no others. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

interface Alias {
  url: string;
  user: string;
  password: string;
}

const folder = process.env.MC_CONFIG_DIR ?? '/tmp/mc';
const words = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const line = words.join(' ');

/** Asks the stand-in for MinIO under the name that `alias set` gave it. */
async function ask(name: string, path: string, body: object): Promise<string> {
  const { url, user, password } = JSON.parse(
    readFileSync(`${folder}/${name}.json`, 'utf8'),
  ) as Alias;
  const answer = await fetch(`${url}/stand-in/${path}`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(5_000),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${answer.status} ${text}`);
  return text;
}

async function run(): Promise<string> {
  const [first = '', second = '', third = '', alias = '', name = '', value = ''] = words;
  if (first === 'alias' && second === 'set') {
    const [, , aliasName = '', url = '', user = '', password = ''] = words;
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}/${aliasName}.json`, JSON.stringify({ url, user, password }));
    return ask(aliasName, 'verify', {});
  }
  if (first === 'mb') {
    const [store = '', bucket = ''] = second.split('/');
    return ask(store, 'bucket', { bucket });
  }
  // `attach` and `entities` name the user by --user, whose value stands last.
  const user = words.at(-1) ?? '';
  switch (`${first} ${second} ${third}`) {
    case 'admin user add':
      return ask(alias, 'user', { user: name, password: value });
    case 'admin policy create': {
      const document = readFileSync(value, 'utf8');
      JSON.parse(document);
      return ask(alias, 'policy', { policy: name, document });
    }
    case 'admin policy attach':
      return ask(alias, 'attach', { policy: name, user });
    case 'admin policy entities':
      return ask(alias, 'entities', { user });
    default:
      throw new Error(`the stand-in does not know: ${line}`);
  }
}

try {
  console.log(await run());
} catch (error) {
  console.error(`mc: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
