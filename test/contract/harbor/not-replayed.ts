/** Recorded exchanges that are not sent to the double, by the reason. The double does not have to know these calls. */

export interface NotReplayed {
  readonly reason: string;
  /** Names, or what they begin with where they end in `*`. */
  readonly names: readonly string[];
}

export const notReplayed: readonly NotReplayed[] = [
  {
    reason:
      'Stevedore pushes and mounts nothing. The double takes pushes of its tests only, as far as skopeo and they need it',
    names: ['blob-mount-*', 'blob-upload-*', 'manifest-put-*', 'push-*', 'proxy-push-*', 'proxy-mount-refused'],
  },
  {
    reason: 'Stevedore copies and deletes nothing in Harbor',
    names: ['api-copy-*', 'api-delete-*', 'api-read-only-delete', 'delete-*', 'proxy-api-copy-refused'],
  },
  {
    reason: 'Stevedore makes no robots, endpoints or policies; tests make them through the control object',
    names: ['robot-create-*', 'robot-refresh-secret', 'registry-endpoint-create'],
  },
  { reason: "Harbor's P2P preheat: Harbor calls, Stevedore would have to be the server", names: ['preheat-*'] },
  { reason: 'Webhooks: Harbor calls, Stevedore would have to be the server', names: ['webhook-*'] },
];

export function reasonFor(name: string): string | undefined {
  const isMeant = (pattern: string): boolean =>
    pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
  return notReplayed.find(({ names }) => names.some(isMeant))?.reason;
}
