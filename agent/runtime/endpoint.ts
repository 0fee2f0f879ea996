/** Endpoints of runtimes as users write them: `unix:///run/containerd/containerd.sock`. */

/**
 * What to talk to cannot be decided, and trying again cannot help: a bad endpoint, or several runtimes on one node. A mistake in
 * the command line (exit code 2).
 */
export class DetectionError extends Error {
  override readonly name = 'DetectionError';
}

/**
 * The path of the socket that an endpoint names.
 * @throws DetectionError naming the text and the rule that it breaks.
 */
export function toSocketPath(endpoint: string): string {
  const fail = (rule: string): never => {
    throw new DetectionError(`"${endpoint}" is not a runtime endpoint: ${rule}`);
  };
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(endpoint)?.[1];
  if (scheme !== undefined && scheme !== 'unix') fail('only unix:// sockets are supported');
  if (scheme === undefined) fail('it must start with unix://, for example unix:///run/containerd/containerd.sock');
  const path = endpoint.slice('unix://'.length);
  if (!path.startsWith('/')) fail('unix:// must be followed by an absolute path, so by a third slash');
  if (path.length < 2 || path.endsWith('/') || path.includes('\0')) fail('the path must name a socket');
  return path;
}

export function toEndpoint(socketPath: string): string {
  return `unix://${socketPath}`;
}
