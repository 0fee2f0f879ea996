import { createOciRegistry } from '../../../agent/registry/oci-registry.ts';
import { FakeRegistry, fakeSummary } from '../../fakes/fake-registry.ts';
import { HarborStub } from './harbor-stub.ts';
import { image, index, Repository } from './images.ts';
import { describeRegistry } from './registry-contract.ts';
import { StubServer } from './stub-server.ts';

const login = { username: 'robot$app+pull', password: 'secret' };

describeRegistry('fake', async () => {
  const registry = new FakeRegistry();
  registry.protect('private.example', login.username, login.password);
  return {
    registry,
    openHost: 'open.example',
    privateHost: 'private.example',
    login,
    push: async (reference, seed) => {
      const layers = [
        { name: 'base', sizeBytes: 1_000 },
        { name: seed, sizeBytes: 500 },
      ];
      const summary = fakeSummary(seed, layers);
      registry.add(reference, summary);
      return summary;
    },
    requests: () => registry.calls.length,
    hold: () => registry.hold('*'),
    close: async () => {},
  };
});

describeRegistry('client, with Harbor as it answers on the wire', async () => {
  const open = await StubServer.start();
  const guarded = await StubServer.start();
  const harbor = new HarborStub(guarded, { login });
  const repository = new Repository('app/web');
  open.use(repository.handler);
  guarded.use(harbor.protect(repository.handler));
  guarded.use(harbor.tokenService);
  const settings = { plainHTTP: true, insecureSkipVerify: false, caFile: undefined, tokenHosts: [] };
  const registry = createOciRegistry({
    registries: () => [
      { ...settings, host: open.host },
      { ...settings, host: guarded.host },
    ],
    platform: { os: 'linux', architecture: 'amd64' },
  });
  return {
    registry,
    openHost: open.host,
    privateHost: guarded.host,
    login,
    push: async (reference, seed) => {
      const one = image(seed);
      const other = image(`${seed} on arm`, { os: 'linux', architecture: 'arm64' });
      const both = index([
        { item: other, platform: { os: 'linux', architecture: 'arm64' } },
        { item: one, platform: { os: 'linux', architecture: 'amd64' } },
      ]);
      repository.put(one, other);
      repository.tag(reference.slice(reference.lastIndexOf(':') + 1), both);
      return { ...one.summary, digest: both.digest };
    },
    requests: () => open.requests.length + guarded.requests.length,
    hold: () => open.hold(),
    close: async () => {
      await open.close();
      await guarded.close();
    },
  };
});
