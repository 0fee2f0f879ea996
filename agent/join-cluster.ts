import type { ClusterMember, ClusterMemberParts } from './cluster-member.ts';
import type { Settings } from './settings.ts';

/** Undefined without a cluster. Only an agent in one pays for the client library. @throws Failure `other` in words for a user */
export async function joinCluster(
  settings: Settings,
  parts: ClusterMemberParts,
  signal: AbortSignal,
): Promise<ClusterMember | undefined> {
  const { cluster } = settings;
  if (cluster === undefined) return undefined;
  const { createClusterMember } = await import('./cluster-member.ts');
  return await createClusterMember({ ...settings, cluster }, parts, signal);
}
