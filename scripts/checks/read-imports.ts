export interface ModuleImport {
  specifier: string;
  /** Erased before the code runs, so it cannot close a cycle. */
  isTypeOnly: boolean;
}

// Statements begin in the first column, as formatted, so text in comments does not match.
const CLAUSE = String.raw`(?:[\w$*\s,]|\{[^}]*\})+?`;
const STATEMENT = new RegExp(
  String.raw`^(?:import|export)\s+(type\s+(?!from\b))?(${CLAUSE})\s*from\s*['"]([^'"]+)['"]`,
  'gm',
);
const SIDE_EFFECT = /^import\s*['"]([^'"]+)['"]/gm;
const DYNAMIC = /\bimport\(\s*['"]([^'"]+)['"]/g;

function hasOnlyTypes(clause: string): boolean {
  const names = /^\{([^}]*)\}$/.exec(clause.trim())?.[1]?.split(',') ?? [''];
  const given = names.map((name) => name.trim()).filter((name) => name !== '');
  return given.length > 0 && given.every((name) => name.startsWith('type '));
}

/** Reads what a module imports or re-exports, in three kinds of statement. */
export function readImports(source: string): ModuleImport[] {
  const statements = [...source.matchAll(STATEMENT)].map(
    ([, type, clause = '', specifier = '']): ModuleImport => ({
      specifier,
      isTypeOnly: type !== undefined || hasOnlyTypes(clause),
    }),
  );
  const others = [...source.matchAll(SIDE_EFFECT), ...source.matchAll(DYNAMIC)];
  return [...statements, ...others.map(([, specifier = '']) => ({ specifier, isTypeOnly: false }))];
}
