/** What the tests of Harbor's REST API share: a client of a stub server, which can answer as a real Harbor did. */

import { onTestFinished } from 'vitest';
import { Credential } from '../../../agent/core/credentials.ts';
import type { Harbor, HarborLogin } from '../../../agent/registry/harbor.ts';
import { createHarbor, type HarborOptions } from '../../../agent/registry/harbor-api.ts';
import { loadRecording } from '../../contract/harbor/recording.ts';
import { plain, robot, startServer } from './setup.ts';
import type { Answer, StubServer } from './stub-server.ts';

export interface HarborStage {
  readonly server: StubServer;
  readonly harbor: Harbor;
  readonly login: HarborLogin;
  readonly anonymous: HarborLogin;
}

export async function startHarborApi(options: Partial<HarborOptions> = {}): Promise<HarborStage> {
  const server = await startServer();
  const harbor = createHarbor({ registries: () => [plain(server)], ...options });
  onTestFinished(() => harbor.close());
  const credentials = [new Credential(server.host, robot.username, robot.password)];
  const { host } = server;
  return { server, harbor, login: { host, credentials }, anonymous: { host, credentials: [] } };
}

/** What Harbor 2.15.2 answered. */
export function recorded(name: string): Answer {
  const { status, headers, body } = loadRecording(name).response;
  const own = Object.entries(headers).filter(([header]) => header.toLowerCase() !== 'content-length');
  return { status, headers: Object.fromEntries(own), body: body ?? 'null' };
}

/** The path, without its query, is then answered as it was. */
export function replay(server: StubServer, ...names: readonly string[]): void {
  for (const name of names) {
    const { method, path } = loadRecording(name).request;
    server.on(method, path.split('?')[0] ?? '', recorded(name));
  }
}
