/** The rooms in the order in which app.ts first uses the plugins of their `routes.ts`. */
export function readRegistrationOrder(app: string): string[] {
  const imports = [...app.matchAll(/^import \{([^}]*)\} from '\.\/(.+)\/routes\.ts';$/gm)];
  // Neither imports nor texts use a plugin.
  const code = app.replace(/^import [^;]*;$/gm, '').replace(/'[^'\n]*'/g, '');
  const uses = imports.flatMap(([, names = '', room = '']) =>
    names
      .split(',')
      .map((name) => name.trim().split(' as ').at(-1) ?? '')
      .filter((name) => name !== '')
      .map((name) => ({ room, position: code.search(new RegExp(`\\b${name}\\b`)) })),
  );
  const registered = uses.filter(({ position }) => position >= 0);
  return [
    ...new Set(
      registered.toSorted((one, other) => one.position - other.position).map(({ room }) => room),
    ),
  ];
}
