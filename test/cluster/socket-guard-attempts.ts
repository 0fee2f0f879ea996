/** Paths that a pod might mount, and what manifests/components/socket-guard has to say to it outside the listed namespaces. */

export interface SocketGuardAttempt {
  readonly hostPath: string;
  readonly refused: boolean;
}

const refused = [
  '/run/containerd/containerd.sock',
  '/run/containerd/containerd.sock.ttrpc',
  '/run/containerd',
  '/run/containerd/',
  '//run//containerd//containerd.sock',
  '/run/./containerd/./containerd.sock',
  '/var/run/containerd/containerd.sock',
  '/run/docker.sock',
  '/var/run/docker.sock',
  '/var/run//docker.sock',
  '/run/k3s/containerd/containerd.sock',
  '/run/k3s',
  '/run/k0s/containerd.sock',
  '/run/crio/crio.sock',
  '/var/run/crio',
  '/run/cri-dockerd.sock',
  '/run/podman/podman.sock',
  '/run/buildkit/buildkitd.sock',
  '/var/snap/microk8s/common/run/containerd.sock',
  '/var/snap',
  '/run',
  '/run/',
  '/var/run',
  '/var',
  '/',
  '//',
  '/.',
  '/proc/1/root',
  '/proc/1/root/run/containerd/containerd.sock',
  '/proc/self/root',
  '/proc/thread-self/cwd',
];

const allowed = [
  '/proc',
  '/proc/sys/net',
  '/sys',
  '/dev',
  '/etc/ssl/certs',
  '/var/log',
  '/var/log/pods',
  '/var/lib/kubelet/pods',
  '/var/lib/docker/containers',
  '/var/lib/containerd',
  '/run/systemd',
  '/run/containerdx',
  '/run/docker.sock.d',
  '/run/xtables.lock',
  '/var/run/secrets',
  '/opt/run/containerd',
  '/mnt/run/docker.sock',
];

export const socketGuardAttempts: readonly SocketGuardAttempt[] = [
  ...refused.map((hostPath) => ({ hostPath, refused: true })),
  ...allowed.map((hostPath) => ({ hostPath, refused: false })),
];
