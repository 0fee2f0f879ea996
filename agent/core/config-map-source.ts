/** How messages name a ConfigMap. */
export function toConfigMapSource(namespace: string, name: string): string {
  return `configmap ${namespace}/${name}`;
}
