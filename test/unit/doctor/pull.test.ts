import { describe, expect, test } from 'vitest';
import { Credential } from '../../../agent/core/credentials.ts';
import { Failure } from '../../../agent/core/failure.ts';
import { parseReference } from '../../../agent/core/image-reference.ts';
import type { ManifestSummary } from '../../../agent/core/manifest.ts';
import { checkRealPull, checkTrialPull, type PullSource } from '../../../agent/doctor/pull-check.ts';
import type { PullRequest, Runtime } from '../../../agent/runtime/runtime.ts';
import { findingsOf, toLine } from './findings.ts';

const host = 'harbor.example.com';
const place = { registry: host, repository: 'ml/web' };
const subject = `${host}/ml/web`;
const missing = new Failure('not_found', 'there is no such tag');

const summary: ManifestSummary = {
  digest: 'sha256:1',
  manifestDigest: 'sha256:1',
  imageId: 'sha256:2',
  configBytes: 1,
  layers: [{ digest: 'sha256:3', sizeBytes: 3 * 2 ** 20 }],
  chainIds: ['sha256:4'],
};

type Answer = Failure | undefined;

function sourceOf(answer: Answer, read: ManifestSummary | Failure = summary): PullSource & { readonly tags: string[] } {
  const tags: string[] = [];
  return {
    tags,
    headManifest: ({ tag = '' }) => {
      tags.push(tag);
      return answer === undefined ? Promise.resolve({ digest: 'sha256:1' }) : Promise.reject(answer);
    },
    readManifest: () => (read instanceof Failure ? Promise.reject(read) : Promise.resolve(read)),
  };
}

function runtimeOf(answer: (request: PullRequest) => Answer) {
  const requests: PullRequest[] = [];
  const runtime: Pick<Runtime, 'pull' | 'listImages'> = {
    pull: (request) => {
      requests.push(request);
      const failure = answer(request);
      return failure === undefined ? Promise.resolve({ imageId: 'sha256:2' }) : Promise.reject(failure);
    },
    listImages: () => Promise.resolve([]),
  };
  return { runtime, requests };
}

interface Trial {
  readonly agent?: Answer;
  readonly runtime?: Answer | 'none';
  readonly credentials?: readonly Credential[];
  readonly isProxied?: boolean;
}

async function trial({ agent = missing, runtime = missing, credentials = [], isProxied = false }: Trial) {
  const source = sourceOf(agent);
  const own = runtime === 'none' ? undefined : runtimeOf(() => runtime);
  let reached;
  const found = await findingsOf(async (tell, signal) => {
    reached = await checkTrialPull(place, { credentials, source, runtime: own?.runtime, isProxied }, tell, signal);
  });
  return {
    lines: found.map(toLine),
    advice: found.map(({ advice = '' }) => advice),
    reached,
    source,
    requests: own?.requests ?? [],
  };
}

describe('a trial pull', () => {
  test('asks for a tag that cannot be there, and that it is not there is all that is wanted', async () => {
    const { lines, reached, source, requests } = await trial({});
    expect(lines).toEqual([
      `ok pull_by_agent ${subject}: reaches the registry, trusts it and is let in`,
      `ok pull_by_runtime ${subject}: reaches the registry, trusts it and is let in`,
    ]);
    expect(reached).toEqual({ isReached: true, isRealmSane: true });
    expect(source.tags).toEqual([expect.stringMatching(/^stevedore-doctor-[0-9a-f]{12}$/)]);
    expect(requests).toMatchObject([{ reference: `${subject}:${source.tags[0]}`, keepsPartial: false }]);
  });

  test('agent and runtime are told apart, and each gets its own advice', async () => {
    const tls = new Failure('tls', 'x509: unknown authority', { detail: 'tls_ca' });
    const runtimeOnly = await trial({ agent: tls });
    expect(runtimeOnly.lines).toEqual([
      `failure pull_by_agent ${subject}: x509: unknown authority`,
      expect.stringMatching(/^ok pull_by_runtime/),
    ]);
    expect(runtimeOnly.advice[0]).toContain('caFile');
    const agentOnly = await trial({ runtime: tls });
    expect(agentOnly.lines).toEqual([
      expect.stringMatching(/^ok pull_by_agent/),
      `failure pull_by_runtime ${subject}: x509: unknown authority`,
    ]);
    expect(agentOnly.advice[1]).toContain(`/etc/containerd/certs.d/${host}/hosts.toml`);
    const network = new Failure('network', 'no connection');
    const both = await trial({ agent: network, runtime: network });
    expect(both.advice).toEqual([
      expect.stringContaining('of the agent'),
      expect.stringContaining("runtime's service"),
    ]);
    expect(both.reached).toEqual({ isReached: false, isRealmSane: false });
  });

  test('a project that is missing is a failure, not an answer', async () => {
    const { lines, advice } = await trial({
      agent: new Failure('not_found', 'no project', { detail: 'project_missing' }),
    });
    expect(lines[0]).toBe(`failure pull_by_agent ${subject}: no project`);
    expect(advice[0]).toContain('name of the project');
  });

  test("a proxy cache that does not ask its upstream is worth a warning; an ordinary project's words are the same", async () => {
    const fallback = new Failure('not_found', 'artifact not found', { detail: 'not_found_proxy' });
    expect((await trial({ agent: fallback, isProxied: true })).lines[0]).toMatch(
      /^warning .*does not reach its upstream/,
    );
    expect((await trial({ agent: fallback })).lines[0]).toMatch(/^ok /);
  });

  test('a token service that no credential may go to has a check of its own', async () => {
    const realm = new Failure('auth', 'names http://evil', { detail: 'token_realm' });
    const { lines, advice, reached } = await trial({ agent: realm });
    expect(lines[0]).toBe(`failure token_realm ${host}: names http://evil`);
    expect(advice[0]).toMatch(/external_url.*tokenHosts/);
    expect(reached).toEqual({ isReached: true, isRealmSane: false });
  });

  test('to be slowed down says nothing of this node', async () => {
    expect((await trial({ agent: new Failure('rate_limited', '429') })).lines[0]).toMatch(/^warning pull_by_agent/);
  });

  test('a half that hangs is told by itself', async () => {
    const hang = (signal: AbortSignal) =>
      new Promise<never>((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      });
    const { runtime } = runtimeOf(() => missing);
    const parts = { credentials: [], source: sourceOf(missing), runtime, isProxied: false, trialTimeoutMs: 10 };
    const hanging = {
      ...parts,
      runtime: { ...runtime, pull: (_request: PullRequest, signal: AbortSignal) => hang(signal) },
    };
    expect((await findingsOf((tell, signal) => checkTrialPull(place, hanging, tell, signal))).map(toLine)).toEqual([
      expect.stringMatching(/^ok pull_by_agent/),
      `failure pull_by_runtime ${subject}: no answer within 0.01 s`,
    ]);
    const source: PullSource = { ...parts.source, headManifest: (_reference, _credentials, signal) => hang(signal) };
    expect(
      (await findingsOf((tell, signal) => checkTrialPull(place, { ...parts, source }, tell, signal))).map(toLine),
    ).toEqual([
      `failure pull_by_agent ${subject}: no answer within 0.01 s`,
      expect.stringMatching(/^ok pull_by_runtime/),
    ]);
  });

  test("containerd's words are cut to what matters", async () => {
    const words = 'failed to pull and unpack image "h/a:b": failed to resolve reference "h/a:b": x509: no';
    expect((await trial({ runtime: new Failure('tls', words) })).lines[1]).toBe(
      `failure pull_by_runtime ${subject}: x509: no`,
    );
  });

  test('without a runtime its half is not checked', async () => {
    expect((await trial({ runtime: 'none' })).lines[1]).toBe(
      `not_checked pull_by_runtime ${subject}: no runtime was found`,
    );
  });

  test('the runtime gets each credential until one is let in', async () => {
    const credentials = ['a', 'b', 'c'].map((name) => new Credential(host, name, 'x'));
    const refuse = new Failure('auth', 'denied');
    const { runtime, requests } = runtimeOf(({ credential }) => (credential?.username === 'b' ? missing : refuse));
    const parts = { credentials, source: sourceOf(missing), runtime, isProxied: false };
    const found = await findingsOf((tell, signal) => checkTrialPull(place, parts, tell, signal));
    expect(requests.map(({ credential }) => credential?.username)).toEqual(['a', 'b']);
    expect(found[1]?.level).toBe('ok');
  });
});

describe('a real pull', () => {
  async function real(source: PullSource, runtime?: Pick<Runtime, 'pull' | 'listImages'>) {
    const reference = parseReference(`${subject}:1`);
    const found = await findingsOf((tell, signal) =>
      checkRealPull(reference, { credentials: [], source, runtime }, tell, signal),
    );
    return found.map(toLine);
  }

  test('says what it fetched, and whether it fetched anything', async () => {
    const { runtime } = runtimeOf(() => undefined);
    expect(await real(sourceOf(undefined), runtime)).toEqual([
      `ok pull_by_agent ${subject}:1: reads its manifest and config: 3.0 MiB in 1 layer, sha256:1`,
      expect.stringMatching(/^ok pull_by_runtime \S+: pulled in \S+ s$/),
    ]);
    const here = { id: 'sha256:2' } as Awaited<ReturnType<Runtime['listImages']>>[number];
    expect((await real(sourceOf(undefined), { ...runtime, listImages: () => Promise.resolve([here]) }))[1]).toMatch(
      /was here already/,
    );
  });

  test('a config that cannot be read points at the storage behind the registry', async () => {
    const lines = await real(sourceOf(undefined, { ...summary, chainIds: undefined }));
    expect(lines[0]).toMatch(/^warning pull_by_agent .*but not its config/);
  });

  test('agent and runtime fail each for itself', async () => {
    const { runtime } = runtimeOf(() => new Failure('no_space', 'disk full'));
    expect(await real(sourceOf(undefined, missing), runtime)).toEqual([
      `failure pull_by_agent ${subject}:1: there is no such tag`,
      `failure pull_by_runtime ${subject}:1: disk full`,
    ]);
    expect((await real(sourceOf(undefined)))[1]).toMatch(/^not_checked pull_by_runtime/);
  });
});
