/** Which runtime a node has, from the sockets in the usual places. */

import { stat } from 'node:fs/promises';
import { join } from 'node:path';

import { errorMessage, Failure } from '../core/failure.ts';
import { probeCri } from './cri-probe.ts';
import { probeDocker } from './docker-probe.ts';
import { DetectionError, toEndpoint, toSocketPath } from './endpoint.ts';
import type { RuntimeKind } from './runtime.ts';

export { DetectionError } from './endpoint.ts';

export type ProbeAnswer =
  | {
      readonly live: true;
      /** As the runtime calls itself: `containerd`, `cri-o`, `docker` (cri-dockerd too). */
      readonly name: string;
      readonly version: string;
    }
  | { readonly live: false; readonly reason: string };

/** Asks a socket who is there; only an abort rejects. */
export interface RuntimeProbe {
  docker(socketPath: string, signal: AbortSignal): Promise<ProbeAnswer>;
  cri(socketPath: string, signal: AbortSignal): Promise<ProbeAnswer>;
}

export const systemProbe: RuntimeProbe = { docker: probeDocker, cri: probeCri };

export interface Finding {
  readonly endpoint: string;
  /** Undefined: nothing there that counts. */
  readonly kind: RuntimeKind | undefined;
  /** cri-dockerd: the CRI in front of a Docker, not a runtime of its own. */
  readonly isDockerShim: boolean;
  /** Without a leading `v`; empty where there is none. */
  readonly version: string;
  readonly message: string;
}

export interface DetectedRuntime {
  readonly kind: RuntimeKind;
  readonly endpoint: string;
  /** What was found and how it was decided, one sentence each, for the log. */
  readonly findings: readonly string[];
}

export interface DetectionRequest {
  readonly kind: RuntimeKind | 'auto';
  /** Wins over looking; with `kind` given too, nothing is asked. */
  readonly endpoint: string | undefined;
  /**
   * The runtime that the kubelet says it uses, as in `status.nodeInfo.containerRuntimeVersion` (`containerd://2.1.5-k3s1`). Where neither
   * kind nor endpoint is given, only that one counts.
   */
  readonly kubeletRuntime?: string | undefined;
  /** A folder to look in instead of `/`. */
  readonly root?: string;
  readonly probe?: RuntimeProbe;
}

interface Place {
  readonly owner: string;
  readonly path: string;
  readonly protocol: 'docker' | 'cri';
}

const places: readonly Place[] = [
  { owner: 'Docker', path: '/run/docker.sock', protocol: 'docker' },
  { owner: 'Docker', path: '/var/run/docker.sock', protocol: 'docker' },
  { owner: 'containerd', path: '/run/containerd/containerd.sock', protocol: 'cri' },
  { owner: 'k3s or RKE2', path: '/run/k3s/containerd/containerd.sock', protocol: 'cri' },
  { owner: 'MicroK8s', path: '/var/snap/microk8s/common/run/containerd.sock', protocol: 'cri' },
  { owner: 'k0s', path: '/run/k0s/containerd.sock', protocol: 'cri' },
  { owner: 'CRI-O', path: '/run/crio/crio.sock', protocol: 'cri' },
  { owner: 'CRI-O', path: '/var/run/crio/crio.sock', protocol: 'cri' },
  { owner: 'cri-dockerd', path: '/run/cri-dockerd.sock', protocol: 'cri' },
];

/**
 * Finds the runtime to use.
 * @throws DetectionError for a bad endpoint and for several live runtimes: only a change of the options helps. Failure `runtime`,
 * detail `unavailable`, while none answers. `signal.reason` after an abort.
 */
export async function detectRuntime(request: DetectionRequest, signal: AbortSignal): Promise<DetectedRuntime> {
  const { kind, endpoint, kubeletRuntime, probe = systemProbe } = request;
  signal.throwIfAborted();
  if (endpoint === undefined) {
    const findings = await lookAround(request, probe, signal);
    return kind === 'auto' && kubeletRuntime !== undefined
      ? chooseRuntime(withoutOthers(findings, kubeletRuntime), kind)
      : chooseRuntime(findings, kind);
  }

  const socketPath = toSocketPath(endpoint);
  if (kind !== 'auto') return { kind, endpoint, findings: [`${kind} at ${endpoint}, as the options say`] };
  return chooseRuntime([await askEndpoint(endpoint, socketPath, probe, signal)], 'auto');
}

/**
 * Decides between what was found. `kind` other than `auto` leaves only that kind; `cri` takes a containerd's CRI too.
 * @throws DetectionError, Failure: see `detectRuntime`
 */
export function chooseRuntime(findings: readonly Finding[], kind: RuntimeKind | 'auto'): DetectedRuntime {
  const messages = findings.map(({ message }) => message);
  const fitting = findings.filter((finding) => finding.kind !== undefined && fits(finding.kind, kind));
  const docker = fitting.find((finding) => finding.kind === 'docker');
  const live = docker === undefined ? fitting : fitting.filter(({ isDockerShim }) => !isDockerShim);
  if (live.length < fitting.length)
    messages.push('cri-dockerd stands in front of this Docker: Docker is used directly');

  const [chosen, second] = live;
  if (chosen?.kind === undefined) {
    const wanted = kind === 'auto' ? 'no container runtime answers' : `no ${kind} runtime answers`;
    throw new Failure('runtime', [wanted, ...messages].join('; '), { detail: 'unavailable' });
  }
  if (second !== undefined) {
    const list = live.map(({ message }) => message).join('; ');
    throw new DetectionError(
      `${live.length} container runtimes answer on this node, choose one by --endpoint: ${list}`,
    );
  }
  return { kind: kind === 'auto' ? chosen.kind : kind, endpoint: chosen.endpoint, findings: messages };
}

/**
 * What does not belong to the kubelet no longer counts: pods would never see its images, and while the kubelet's own runtime is just
 * starting another one would be taken for it.
 */
function withoutOthers(findings: readonly Finding[], kubeletRuntime: string): readonly Finding[] {
  const [, name = '', version = ''] = /^([a-z-]+):\/\/v?(.*)$/.exec(kubeletRuntime) ?? [];
  const isKubelets = kubeletKinds.get(name);
  if (isKubelets === undefined) return findings;
  const fitting = findings.filter(isKubelets);
  // A k3s beside a distribution's containerd: both are one, and their versions tell which.
  const exact = fitting.filter((finding) => finding.version === version);
  const kept = new Set(exact.length > 0 ? exact : fitting);
  return findings.map((finding) => {
    if (finding.kind === undefined || kept.has(finding)) return finding;
    return nothing(finding.endpoint, `${finding.message} does not count: the kubelet uses ${kubeletRuntime}`);
  });
}

const kubeletKinds: ReadonlyMap<string, (finding: Finding) => boolean> = new Map([
  ['containerd', ({ kind }: Finding) => kind === 'containerd'],
  // A kubelet reaches Docker through cri-dockerd, which calls itself by Docker's name and version.
  ['docker', ({ kind, isDockerShim }: Finding) => kind === 'docker' || isDockerShim],
  ['cri-o', ({ kind, isDockerShim }: Finding) => kind === 'cri' && !isDockerShim],
]);

function fits(found: RuntimeKind, wanted: RuntimeKind | 'auto'): boolean {
  return wanted === 'auto' || found === wanted || (wanted === 'cri' && found === 'containerd');
}

async function lookAround(
  { kind, root = '/' }: DetectionRequest,
  probe: RuntimeProbe,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const wanted = places.filter(({ protocol }) => kind === 'auto' || (protocol === 'docker') === (kind === 'docker'));
  const seen = await Promise.all(wanted.map((place) => lookAt(place, join(root, place.path))));
  const socketIds = new Set<string>();
  const asked = seen.map(async (sight): Promise<Finding | undefined> => {
    if (sight.state === 'absent') return undefined;
    const endpoint = toEndpoint(sight.socketPath);
    if (sight.state === 'unusable') return nothing(endpoint, `${sight.place.owner} at ${endpoint}: ${sight.reason}`);
    // /var/run usually is /run, and a mount shows one socket in several places.
    if (socketIds.has(sight.socketId)) return undefined;
    socketIds.add(sight.socketId);
    const answer = await probe[sight.place.protocol](sight.socketPath, signal);
    return toFinding(sight.place.owner, sight.place.protocol, endpoint, answer);
  });
  const findings = (await Promise.all(asked)).filter((finding) => finding !== undefined);
  signal.throwIfAborted();
  if (findings.length > 0) return findings;
  return [nothing('', `no socket at ${wanted.map(({ path }) => join(root, path)).join(', ')}`)];
}

type Sight =
  | { readonly state: 'absent' }
  | { readonly state: 'unusable'; readonly place: Place; readonly socketPath: string; readonly reason: string }
  | { readonly state: 'socket'; readonly place: Place; readonly socketPath: string; readonly socketId: string };

async function lookAt(place: Place, socketPath: string): Promise<Sight> {
  try {
    const stats = await stat(socketPath);
    if (stats.isSocket()) return { state: 'socket', place, socketPath, socketId: `${stats.dev}:${stats.ino}` };
    return { state: 'unusable', place, socketPath, reason: 'not a socket' };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return { state: 'absent' };
    return { state: 'unusable', place, socketPath, reason: errorMessage(error) };
  }
}

async function askEndpoint(
  endpoint: string,
  socketPath: string,
  probe: RuntimeProbe,
  signal: AbortSignal,
): Promise<Finding> {
  const docker = await probe.docker(socketPath, signal);
  if (docker.live) return toFinding('Docker', 'docker', endpoint, docker);
  const cri = await probe.cri(socketPath, signal);
  if (cri.live) return toFinding('CRI', 'cri', endpoint, cri);
  return nothing(endpoint, `${endpoint} is neither a Docker (${docker.reason}) nor a CRI runtime (${cri.reason})`);
}

function toFinding(owner: string, protocol: Place['protocol'], endpoint: string, answer: ProbeAnswer): Finding {
  if (!answer.live) return nothing(endpoint, `${owner} at ${endpoint} does not count: ${answer.reason}`);
  const { name, version } = answer;
  if (protocol === 'docker') return found('docker', `docker ${version} at ${endpoint}`);
  if (name === 'docker')
    return { ...found('cri', `cri-dockerd (docker ${version}) at ${endpoint}`), isDockerShim: true };
  return found(name === 'containerd' ? 'containerd' : 'cri', `${name} ${version} at ${endpoint}`);

  function found(kind: RuntimeKind, message: string): Finding {
    return { endpoint, kind, isDockerShim: false, version: version.replace(/^v/, ''), message };
  }
}

function nothing(endpoint: string, message: string): Finding {
  return { endpoint, kind: undefined, isDockerShim: false, version: '', message };
}
