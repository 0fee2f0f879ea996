import type { Registry } from './registry.ts';

/** The registry that `load` gives, loaded by the first question: a node that holds all its images never pays for an HTTP client. */
export function createLazyRegistry(load: () => Promise<Registry>): Registry {
  let loading: Promise<Registry> | undefined;
  const registry = (): Promise<Registry> => {
    loading ??= load();
    return loading;
  };
  return {
    resolveDigest: async (...question) => (await registry()).resolveDigest(...question),
    readManifest: async (...question) => (await registry()).readManifest(...question),
    close: async () => {
      await (await loading)?.close();
    },
  };
}
