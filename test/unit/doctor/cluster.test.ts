import { describe, expect, test } from 'vitest';
import { permissions } from '../../../agent/cluster/permissions.ts';
import { Failure } from '../../../agent/core/failure.ts';
import { checkAccess, checkPolicy, toAccessQuestions } from '../../../agent/doctor/cluster-check.ts';
import { FakeApi, FakeCluster } from '../../fakes/fake-cluster.ts';
import { findingsOf, tellOf } from './findings.ts';

const questions = toAccessQuestions(permissions, { namespace: 'stv', hasGate: false });

test('every entry of the table is asked for, in its namespace and by its names; the gate only where there is one', () => {
  const words = (hasGate: boolean) =>
    toAccessQuestions(permissions, { namespace: 'stv', hasGate }).map(
      ({ verb, group, resource, subresource, namespace, name }) =>
        `${verb} ${group}/${resource}${subresource === undefined ? '' : `/${subresource}`} ${namespace ?? '-'} ${name ?? '*'}`,
    );
  expect(words(false)).toEqual([
    'get /nodes - *',
    'list /nodes - *',
    'watch /nodes - *',
    'patch /nodes/status - *',
    'list /configmaps stv *',
    'watch /configmaps stv *',
    ...Array.from({ length: 8 }, (_, index) => `update /configmaps stv stevedore-resolved-${index}`),
    'get coordination.k8s.io/leases stv *',
    'list coordination.k8s.io/leases stv *',
    'create coordination.k8s.io/leases stv *',
    'update coordination.k8s.io/leases stv *',
    'create events.k8s.io/events default *',
  ]);
  expect(words(true).filter((one) => !words(false).includes(one))).toEqual(['patch /nodes - *']);
});

describe('rights', () => {
  test('that are all there are one line', async () => {
    const cluster = new FakeCluster();
    expect(await tellOf((tell, signal) => checkAccess(cluster, questions, tell, signal))).toEqual([
      `ok api_permissions: ${questions.length} of ${questions.length} that it needs`,
    ]);
    expect(cluster.calls).toEqual(questions.map(() => 'reviewAccess'));
  });

  test('that are missing are told with what does not work; eight names of one right are one line', async () => {
    const cluster = new FakeCluster();
    cluster.access = ({ verb, resource }) => ({
      allowed: !(verb === 'update' && resource === 'configmaps') && resource !== 'events',
      reason: '',
    });
    expect(await tellOf((tell, signal) => checkAccess(cluster, questions, tell, signal))).toEqual([
      'failure api_permissions update configmaps in stv: stevedore-resolved-0 … stevedore-resolved-7: is not allowed: no publishing of what the coordinator resolves',
      'failure api_permissions create events in default: is not allowed: no Events on the Node',
      `ok api_permissions: ${questions.length - 9} of ${questions.length} that it needs`,
    ]);
  });

  test('an API server that goes away is for the caller to tell', async () => {
    const cluster = new FakeCluster();
    cluster.fail('reviewAccess', new Failure('network', 'gone'));
    await expect(tellOf((tell, signal) => checkAccess(cluster, questions, tell, signal))).rejects.toThrow('gone');
  });
});

describe('the node policy', () => {
  const check = async (failure?: Failure) => {
    const api = new FakeApi();
    api.setNode('node-1');
    const cluster = new FakeCluster('node-1', { api });
    if (failure !== undefined) cluster.fail('patchNodeStatus', failure);
    const found = await findingsOf((tell, signal) => checkPolicy(cluster, tell, signal));
    expect(cluster.patches).toEqual([]);
    return found;
  };

  test('is in force where it refuses a foreign label by name', async () => {
    const refusal =
      "nodes \"n1\" is forbidden: ValidatingAdmissionPolicy 'stevedore-own-node' with binding 'b' denied request: no";
    expect(await check(new Failure('auth', refusal, { detail: 'forbidden' }))).toEqual([
      { check: 'node_policy', level: 'ok', message: 'is in force: a foreign label was refused' },
    ]);
  });

  test('is a failure where the label would be taken', async () => {
    expect(await check()).toMatchObject([{ level: 'failure', advice: expect.stringContaining('stevedore-own-node') }]);
  });

  test("is not known where something else refuses: RBAC's 403 reads differently", async () => {
    expect(
      await check(new Failure('auth', 'nodes "n1" is forbidden: User "x" cannot patch', { detail: 'forbidden' })),
    ).toMatchObject([{ level: 'not_checked' }]);
    expect(await check(new Failure('timeout', 'no answer'))).toMatchObject([
      { level: 'not_checked', message: 'no answer' },
    ]);
  });
});
