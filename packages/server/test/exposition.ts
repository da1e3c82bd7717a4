interface Family {
  type: string;
  help: boolean;
  closed: boolean;
}

const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*",?)*\})? (\S+)( \d+)?$/;
const NUMBER = /^([+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?Inf|NaN|Nan)$/;

function familyOf(name: string, families: Map<string, Family>): string {
  const base = name.replace(/_(bucket|sum|count)$/, '');
  return ['histogram', 'summary'].includes(families.get(base)?.type ?? '') ? base : name;
}

function bucketFaults(buckets: Map<string, [string, number][]>): string[] {
  return [...buckets].flatMap(([series, counts]) => [
    ...(counts.some(([, count], i) => count < (counts[i - 1]?.[1] ?? 0))
      ? [`${series} shrinks`]
      : []),
    ...(counts.at(-1)?.[0] === '+Inf' ? [] : [`${series} does not end with +Inf`]),
  ]);
}

/** What is wrong with a text in Prometheus' exposition format 0.0.4, by its specification and the naming rules of `promtool check metrics`. */
export function checkExposition(text: string): string[] {
  const faults: string[] = [];
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  const buckets = new Map<string, [string, number][]>();
  let current = '';
  const enter = (name: string): Family => {
    const family = families.get(name) ?? { type: '', help: false, closed: false };
    families.set(name, family);
    if (name !== current) {
      const before = families.get(current);
      if (before) before.closed = true;
      if (family.closed) faults.push(`${name} stands apart from its family`);
      current = name;
    }
    return family;
  };
  if (!text.endsWith('\n')) faults.push('no line end at the end');
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const comment = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (comment) {
      const family = enter(comment[2] ?? '');
      if (comment[1] === 'HELP') family.help = true;
      else family.type = comment[3] ?? '';
      continue;
    }
    const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? [];
    if (!NUMBER.test(value)) {
      faults.push(`not a sample: ${line}`);
      continue;
    }
    const familyName = familyOf(name, families);
    const { type, help } = enter(familyName);
    if (!type) faults.push(`${name} has no TYPE`);
    if (!help) faults.push(`${name} has no HELP`);
    if ((type === 'counter') !== familyName.endsWith('_total'))
      faults.push(`${name}: _total is the ending of counters`);
    if (seen.has(name + labels)) faults.push(`${name}${labels} stands twice`);
    seen.add(name + labels);
    const bound = /le="([^"]*)",?/.exec(labels);
    if (type === 'histogram' && name.endsWith('_bucket') && bound) {
      const series = name + labels.replace(bound[0], '');
      buckets.set(series, [...(buckets.get(series) ?? []), [bound[1] ?? '', Number(value)]]);
    }
  }
  return [...faults, ...bucketFaults(buckets)];
}
