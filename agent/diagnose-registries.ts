/** The doctor's checks of registries: part of the composition root, which loads their clients only now. */

import type { CredentialStore } from './config/credential-files.ts';
import type { CredentialSource } from './core/configuration.ts';
import { type ImageReference, repositoryName, storedName } from './core/image-reference.ts';
import { toPlatform } from './core/platform.ts';
import type { CredentialsFor, Diagnosis } from './diagnose.ts';
import { diagnoseHarbors, type SeenProjects } from './diagnose-harbors.ts';
import { checkRealPull, checkTrialPull, type PullSource } from './doctor/pull-check.ts';
import { type PullPlace, toPullPlaces } from './doctor/pull-places.ts';

const realPullTimeoutMs = 600_000;
const pullChecks = ['pull_by_agent', 'pull_by_runtime'] as const;

export async function diagnoseRegistries(diagnosis: Diagnosis, store: CredentialStore): Promise<void> {
  const { configuration, options, log } = diagnosis;
  if (configuration === undefined) {
    diagnosis.skip(['harbor', ...pullChecks], 'there is no configuration to name registries');
  }
  const [{ createOciRegistry }, { createHarbor }] = await Promise.all([
    import('./registry/oci-registry.ts'),
    import('./registry/harbor-api.ts'),
  ]);
  const registries = () => configuration?.registries ?? [];
  const source = createOciRegistry({ registries, platform: toPlatform(process.platform, process.arch), log });
  const harbor = createHarbor({ registries, log });
  const credentialsFor: CredentialsFor = (image, own) =>
    store.credentialsFor(image, [own, configuration?.credentials ?? []]);
  try {
    if (configuration !== undefined) {
      const seen = await diagnoseHarbors(diagnosis, configuration, harbor, credentialsFor);
      const places = toPullPlaces(configuration, seen.projects);
      if (places.length === 0) diagnosis.skip(pullChecks, 'the configuration names no repository');
      await diagnosePulls(diagnosis, places, seen, source, credentialsFor);
    }
    if (options.pull !== undefined) await diagnosePull(diagnosis, options.pull, source, credentialsFor);
  } finally {
    await Promise.all([source.close(), harbor.close()]);
  }
  await diagnosis.run({
    check: 'credential',
    run: (tell) => {
      for (const { file, rule } of store.problems()) {
        const advice = 'mount the Secret there, or mend the file';
        tell({ check: 'credential', level: 'failure', subject: file, message: rule, advice });
      }
      return Promise.resolve();
    },
  });
}

async function diagnosePulls(
  diagnosis: Diagnosis,
  places: readonly PullPlace[],
  { projects, closed }: SeenProjects,
  source: PullSource,
  credentialsFor: CredentialsFor,
): Promise<void> {
  const unreached = new Set<string>();
  const untold = new Set(projects.map(({ host }) => host));
  for (const { repository, credentials: own } of places) {
    const { registry, repository: path } = repository;
    const subject = repositoryName({ ...repository, tag: undefined, digest: undefined });
    if (unreached.has(registry)) {
      diagnosis.skip(pullChecks, `${subject}: its registry is not reached`);
      continue;
    }
    if (closed.has(`${registry}/${path.split('/')[0]}`)) {
      diagnosis.skip(pullChecks, `${subject}: see what is said of its project`);
      continue;
    }
    const project = projects.find(({ host, name }) => host === registry && path.startsWith(`${name}/`));
    await diagnosis.run({
      check: 'pull_by_agent',
      subject,
      run: async (tell, signal) => {
        const credentials = await credentialsFor(repository, own);
        const runtime = diagnosis.connected?.runtime;
        const isProxied = project?.upstreamId !== undefined;
        const { isReached, isRealmSane } = await checkTrialPull(
          repository,
          { credentials, source, runtime, isProxied },
          tell,
          signal,
        );
        if (!isReached) unreached.add(registry);
        if (!isRealmSane || !untold.delete(registry)) return;
        const message = 'names a token service to which credentials may go';
        tell({ check: 'token_realm', level: 'ok', subject: registry, message });
      },
    });
  }
}

async function diagnosePull(
  diagnosis: Diagnosis,
  image: ImageReference,
  source: PullSource,
  credentialsFor: CredentialsFor,
): Promise<void> {
  await diagnosis.run({
    check: 'pull_by_runtime',
    subject: storedName(image),
    timeoutMs: realPullTimeoutMs,
    run: async (tell, signal) => {
      const own: readonly CredentialSource[] = (diagnosis.configuration?.imageSets ?? [])
        .filter(({ images }) => images.includes(storedName(image)))
        .flatMap(({ credentials }) => credentials);
      const credentials = await credentialsFor(image, own);
      await checkRealPull(image, { credentials, source, runtime: diagnosis.connected?.runtime }, tell, signal);
    },
  });
}
