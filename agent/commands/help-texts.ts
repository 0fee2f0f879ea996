/** What --help says after the options: consequences, examples, exit codes. */

export const root = `
Options may stand before or after the command, and win over environment variables.

Examples:
  stevedore check config.yaml
  stevedore plan --config config.yaml --label accelerator=nvidia
  stevedore pull --config config.yaml --label accelerator=nvidia
  stevedore prune --dry-run
  stevedore doctor
  stevedore run --config config.yaml --labels-file labels --listen 0.0.0.0:9746
  stevedore run --node-name gpu-1 --kubeconfig kubeconfig

Exit codes:
  0   done, or nothing to do
  1   failed, or mistakes were found
  2   the command line, or what the machine offers, is not clear
  3   partly done
  4   the state folder is in use by another stevedore
  75  the runtime's mounted socket is dead: start again`;

export const run = `
Serves /livez, /readyz and /metrics on --listen. SIGTERM and SIGINT stop it within 5 s, a second one at once.

With --node-name the agent is in a cluster: it watches that Node and the ConfigMaps of its namespace, and goes on with the last good
ones where the API server does not answer. --config, --label and --labels-file are mistakes then.

Examples:
  stevedore run --config config.yaml --label accelerator=nvidia
  STEVEDORE_LABELS=accelerator=nvidia,zone=a stevedore run --runtime containerd --state-dir /var/lib/stevedore
  stevedore run --node-name gpu-1 --kubeconfig kubeconfig --namespace stevedore --config-map stevedore`;

export const check = `
Examples:
  stevedore check config.yaml
  kubectl get configmap -n stevedore stevedore -o jsonpath='{.data.config\\.yaml}' | stevedore check -`;

export const plan = `
Where an agent runs on the same state folder, it is asked for its plan; with --config, --label, --labels-file, --runtime,
--endpoint, --own-image or one of the options of a cluster on the command line the node is looked at with those instead: so a change
can be tried out.

Examples:
  stevedore plan
  stevedore plan --config new.yaml --label accelerator=nvidia
  stevedore plan --json | jq '.pulls[] | {reference, downloadBytes}'
  stevedore plan --json | jq '.prune.images[] | select(.decision.kind == "remove") | {names, freesBytes}'`;

export const pull = `
Where an agent runs on the same state folder, it does the pulling, with its own configuration and labels; Ctrl-C then only
stops the watching. Exit code 3 when a part of the images could not be pulled, 1 when none could.

Examples:
  stevedore pull --config config.yaml --label accelerator=nvidia
  stevedore pull --json | jq 'select(.kind == "failed")'`;

export const prune = `
What is in use, desired, pinned, kept by a rule or too young is never removed. The tier says what else stays, and when to stop:
  age       what was used within prune.unusedFor stays; everything older goes
  space     what was used within prune.spaceGrace stays; stops at the low watermark
  critical  nothing else stays; stops at the low watermark
With --until-free any of them stops as soon as so much is free. With prune.dryRun in the configuration every run is a dry run; with
prune.enabled false only a dry run is possible.

Where an agent runs on the same state folder, it does the pruning, with its own configuration; Ctrl-C stops it before the next
removal. Exit code 3 when a part of the images could not be removed or the target is not met, 1 when nothing could be done.

Examples:
  stevedore prune --dry-run
  stevedore prune --tier age
  stevedore prune --tier space --until-free 50Gi
  stevedore prune --json | jq 'select(.kind == "removed") | {names, reclaimedBytes}'`;

export const warm = `
For images behind a proxy-cache project of a registry with harbor: true; of others it says that there is nothing to do. Harbor fetches each blob
once, in the way and within the limits of warm.* in the configuration, also where warm.enabled is false. No agent has to run; neither a runtime nor
a state folder is needed. An image is warm when Harbor holds all its blobs and its manifest, which it stores some 20 s after the last blob.

--dry-run asks for digests and indexes alone, so that nothing is fetched, also not later. How many bytes are missing it knows, as an upper bound, of
images that the coordinator has resolved; of others with --sizes, after which Harbor fetches them by itself within some 4 minutes.

Exit code 3 when a part of the images, or a platform that was named, could not be warmed, 1 when none could.

Examples:
  stevedore warm --config config.yaml harbor.example.com/hub/library/busybox:1
  stevedore warm --platform linux/amd64 --platform linux/arm64 harbor.example.com/hub/ml/base:2 harbor.example.com/hub/ml/train:2
  stevedore warm --dry-run harbor.example.com/hub/ml/base:2
  stevedore warm --json harbor.example.com/hub/ml/base:2 | jq 'select(.kind == "failed")'`;

export const doctor = `
Works without a configuration, without a runtime and without an API server, beside a running agent and without one. Each line says ok, warning,
failure or not checked, and what to do. Changes nothing: for each project that the configuration names, agent and runtime ask for a tag that
cannot exist, which takes the connection, its TLS, the token and the right to pull. Only --pull fetches layers, through the registry's storage host too.

The kubelet's thresholds, containerd's config.toml and hosts.toml files, its decompressor and the disk of its content are files of the host: in a
pod mount its root read-only, with its /proc, and name it by --host-root; outside a container give --host-root /.

Exit code 0: everything that was checked is ok; 3: a warning is the worst; 1: a failure is. What is not checked does not count.

Examples:
  stevedore doctor --config config.yaml
  stevedore doctor --host-root /host --pull harbor.example.com/ml/base:1
  stevedore doctor --json | jq '.findings[] | select(.level != "ok")'
  kubectl exec -n stevedore stevedore-x7k2p -- node /opt/stevedore/stevedore.mjs doctor`;

export const uninstall = `
Refuses while an agent runs on the state folder: exit code 4. Images stay, for they may be in use. A startup taint stays too: take the gate
out of the node group first. May be run again at any time; exit code 3 when a step failed, and all the others are done then.

Examples:
  stevedore uninstall
  stevedore uninstall --json | jq 'select(.kind == "failed_step")'`;
