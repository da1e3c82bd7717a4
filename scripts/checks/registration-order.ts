/** The rooms in the order in which app.ts first uses the plugins of their `routes.ts`. */
export function readRegistrationOrder(app: string): string[] {
  const imports = [...app.matchAll(/^import \{([^}]*)\} from '\.\/(.+)\/routes\.ts';$/gm)];
  const uses = imports.flatMap(([statement, names = '', room = '']) =>
    names
      .split(',')
      .map((name) => name.trim().split(' as ').at(-1) ?? '')
      .filter((name) => name !== '')
      .map((name) => {
        const rest = app.replace(statement, ' '.repeat(statement.length));
        return { room, position: rest.search(new RegExp(`\\b${name}\\b`)) };
      }),
  );
  const registered = uses.filter(({ position }) => position >= 0);
  return [
    ...new Set(
      registered.toSorted((one, other) => one.position - other.position).map(({ room }) => room),
    ),
  ];
}
