/** What the client's tests share: a client of stub servers that is closed after the test. */

import { onTestFinished } from 'vitest';
import { Credential } from '../../../agent/core/credentials.ts';
import { type ImageReference, parseReference } from '../../../agent/core/image-reference.ts';
import type { EndpointSettings } from '../../../agent/registry/endpoint.ts';
import type { ImageSource } from '../../../agent/registry/image-source.ts';
import { createOciRegistry, type OciRegistryOptions } from '../../../agent/registry/oci-registry.ts';
import type { Registry } from '../../../agent/registry/registry.ts';
import { HarborStub, type HarborStubOptions } from './harbor-stub.ts';
import { Repository } from './images.ts';
import { StubServer } from './stub-server.ts';

export const never = new AbortController().signal;
export const robot = { username: 'robot$app+pull', password: 'S3cret:with:colons' };

export async function startServer(): Promise<StubServer> {
  const server = await StubServer.start();
  onTestFinished(() => server.close());
  return server;
}

export function plain(server: StubServer, overrides: Partial<EndpointSettings> = {}): EndpointSettings {
  return {
    host: server.host,
    plainHTTP: true,
    insecureSkipVerify: false,
    caFile: undefined,
    tokenHosts: [],
    ...overrides,
  };
}

export function clientOf(
  registries: readonly EndpointSettings[],
  options: Partial<OciRegistryOptions> = {},
): Registry & ImageSource {
  const registry = createOciRegistry({
    registries: () => registries,
    platform: { os: 'linux', architecture: 'amd64' },
    ...options,
  });
  onTestFinished(() => registry.close());
  return registry;
}

/** An open registry with one repository, `app/web`, and a client of it. */
export async function startOpen(options: Partial<OciRegistryOptions> = {}) {
  const server = await startServer();
  const repository = new Repository('app/web');
  server.use(repository.handler);
  return { server, repository, registry: clientOf([plain(server)], options), reference: referenceOf(server) };
}

export interface StartHarborOptions extends Partial<HarborStubOptions> {
  readonly settings?: Partial<EndpointSettings>;
  readonly client?: Partial<OciRegistryOptions>;
}

/** The same behind Harbor's login. */
export async function startHarbor(options: StartHarborOptions = {}) {
  const server = await startServer();
  const repository = new Repository('app/web');
  const harbor = new HarborStub(server, { login: robot, ...options });
  server.use(harbor.protect(repository.handler));
  server.use(harbor.tokenService);
  const registry = clientOf([plain(server, options.settings)], options.client);
  const credential = new Credential(server.host, robot.username, robot.password);
  return { server, repository, harbor, registry, credential, reference: referenceOf(server) };
}

export function referenceOf(server: Pick<StubServer, 'host'>, rest = 'app/web:v1'): ImageReference {
  return parseReference(`${server.host}/${rest}`);
}
