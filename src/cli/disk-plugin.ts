/**
 * A plugin of miniflare: a binding to workerd's own disk service, which wrangler's configuration has no word for.
 * https://github.com/cloudflare/workers-sdk/tree/main/packages/miniflare/src/plugins
 */

const NAME = "berth-disk";

/** How wrangler is told of it. @param path the folder, which is there */
export function diskBinding(path: string) {
  return {
    type: `unsafe_${NAME}`,
    dev: { plugin: { package: import.meta.filename, name: NAME }, options: { path } },
  } as const;
}

/** Of a Worker's configuration, as miniflare has read it. */
interface Options {
  options: { config: { env?: Record<string, { type: string; dev?: { options?: { path: string } } }> } };
}

function foldersOf({ config }: Options["options"]): [binding: string, path: string][] {
  const bindings = Object.entries(config.env ?? {}).filter(([, { type }]) => type === `unsafe:${NAME}`);
  return bindings.map(([binding, { dev }]) => [binding, dev?.options?.path ?? ""]);
}

/** What miniflare looks for in this file. */
export const plugins = {
  [NAME]: {
    getBindings: (options: Options["options"]) =>
      foldersOf(options).map(([name]) => ({ name, service: { name: `${NAME}:${name}` } })),
    // For programs in Node, which open the folder themselves.
    getNodeBindings: () => ({}),
    getServices: ({ options }: Options) =>
      foldersOf(options).map(([name, path]) => ({ name: `${NAME}:${name}`, disk: { path, writable: true } })),
  },
};
