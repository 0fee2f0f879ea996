import { createHash } from 'node:crypto';

/** Chain ids of a layer stack from its diff ids, base first (OCI image specification, "Layer ChainID"). */
export function toChainIds(diffIds: readonly string[]): string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) {
    const parent = chain.at(-1);
    chain.push(
      parent === undefined ? diffId : `sha256:${createHash('sha256').update(`${parent} ${diffId}`).digest('hex')}`,
    );
  }
  return chain;
}
