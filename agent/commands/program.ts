import { Command, CommanderError } from 'commander';
import { errorMessage } from '../core/failure.ts';
import { readBuildInfo } from '../ops/build-info.ts';
import { addCommonOptions, type CommonOptions, parseSettings } from './common-options.ts';
import type { CommandContext } from './context.ts';
import { exitCodes, toExitCode, UsageError } from './exit-codes.ts';
import type { Settings } from '../settings.ts';
import { addPruneOptions, type PruneOptions, parsePruneOrder } from './prune-options.ts';

type JsonOption = { readonly json?: boolean };

/** Runs the command that the arguments (without `node` and the script) name, and returns the exit code. Never throws. */
export async function runCommandLine(argv: readonly string[], context: CommandContext): Promise<number> {
  let exitCode: number = exitCodes.done;
  const program = createProgram(context, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exitCode;
  } catch (error) {
    // Commander has said it all; help and version that were asked for are no errors.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    if (context.signal.aborted) return exitCodes.failed;
    context.stderr.write(`stevedore: ${errorMessage(error)}\n`);
    // A user's mistake needs no stack trace, somebody who looks for ours does.
    const level = program.opts<CommonOptions>().logLevel ?? context.environment['STEVEDORE_LOG_LEVEL'];
    if ((level === 'debug' || level === 'trace') && error instanceof Error) context.stderr.write(`${error.stack}\n`);
    return toExitCode(error);
  }
}

function createProgram(context: CommandContext, finish: (exitCode: number) => void): Command {
  const { environment } = context;
  const program = new Command('stevedore')
    .description(
      'Keeps the container images on a node that its image sets ask for, and removes those that nothing uses.',
    )
    .version(readBuildInfo(environment).version, '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'stevedore: ')),
      getOutHelpWidth: () => context.stdout.columns ?? 100,
      getErrHelpWidth: () => context.stderr.columns ?? 100,
    })
    .showHelpAfterError("Run 'stevedore --help' for what there is.")
    .exitOverride();
  addCommonOptions(program);
  program.addHelpText('after', rootExamples);

  // Subcommands take over the settings above, so they are made after them. Each loads its code when it is called: the agent
  // does without tables and progress bars for as long as it runs.
  program
    .command('run')
    .description('run the agent until SIGTERM or SIGINT')
    .addHelpText('after', runExamples)
    .action(async () => {
      const { run } = await import('./run.ts');
      finish(await run(parseSettings(program.opts<CommonOptions>(), environment, 'info'), context));
    });
  program
    .command('check')
    .description('check a configuration file: all its mistakes at once; exit code 1 when there are any')
    .argument('[file]', "the file, - for standard input (default: --config's; in a cluster there is none)")
    .option('--json', 'print JSON')
    .addHelpText('after', checkExamples)
    .action(async (file: string | undefined, { json = false }: JsonOption) => {
      const settings = parseSettings(program.opts<CommonOptions>(), environment, 'error');
      const { check } = await import('./check.ts');
      finish(await check(file ?? defaultFile(settings), json, context));
    });
  program
    .command('plan')
    .description('show what would be pulled and removed on this node and why, and what would not; changes nothing')
    .option('--json', 'print JSON (schema: agent/core/plan.schema.json)')
    .addHelpText('after', planExamples)
    .action(async ({ json = false }: JsonOption) => {
      const options = program.opts<CommonOptions>();
      const { plan } = await import('./plan.ts');
      finish(await plan(parseSettings(options, environment, 'error'), options, json, context));
    });
  program
    .command('pull')
    .description('pull what is missing, once, and exit')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', pullExamples)
    .action(async ({ json = false }: JsonOption) => {
      const options = program.opts<CommonOptions>();
      const { pull } = await import('./pull.ts');
      finish(await pull(parseSettings(options, environment, 'error'), options, json, context));
    });
  addPruneOptions(program.command('prune'))
    .description('remove images that nothing uses, once, and exit')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', pruneExamples)
    .action(async ({ json = false, ...asked }: JsonOption & PruneOptions) => {
      const options = program.opts<CommonOptions>();
      const order = parsePruneOrder(asked);
      const { prune } = await import('./prune.ts');
      finish(await prune(parseSettings(options, environment, 'error'), options, order, json, context));
    });
  program
    .command('uninstall')
    .description('take back what the agent left on this node: pins, leases, labels, condition, state')
    .option('--stay', 'afterwards wait for SIGTERM, if nothing failed')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', uninstallExamples)
    .action(async ({ stay = false, json = false }: JsonOption & { readonly stay?: boolean }) => {
      const settings = parseSettings(program.opts<CommonOptions>(), environment, 'error');
      const { uninstall } = await import('./uninstall.ts');
      finish(await uninstall(settings, { stay, json }, context));
    });
  return program;
}

/** @throws UsageError in a cluster */
function defaultFile({ cluster, configFile }: Settings): string {
  if (cluster === undefined) return configFile;
  const { namespace, configMap } = cluster;
  const pipe = `kubectl get configmap -n ${namespace} ${configMap} -o jsonpath='{.data.config\\.yaml}' | stevedore check -`;
  throw new UsageError(`check needs a file in a cluster; for the configuration in force: ${pipe}`);
}

const rootExamples = `
Options may stand before or after the command, and win over environment variables.

Examples:
  stevedore check config.yaml
  stevedore plan --config config.yaml --label accelerator=nvidia
  stevedore pull --config config.yaml --label accelerator=nvidia
  stevedore prune --dry-run
  stevedore run --config config.yaml --labels-file labels --listen 0.0.0.0:9746
  stevedore run --node-name gpu-1 --kubeconfig kubeconfig

Exit codes:
  0   done, or nothing to do
  1   failed, or mistakes were found
  2   the command line, or what the machine offers, is not clear
  3   partly done
  4   the state folder is in use by another stevedore
  75  the runtime's mounted socket is dead: start again`;

const runExamples = `
Serves /livez, /readyz and /metrics on --listen. SIGTERM and SIGINT stop it within 5 s, a second one at once.

With --node-name the agent is in a cluster: it watches that Node and the ConfigMaps of its namespace, and goes on with the last good
ones where the API server does not answer. --config, --label and --labels-file are mistakes then.

Examples:
  stevedore run --config config.yaml --label accelerator=nvidia
  STEVEDORE_LABELS=accelerator=nvidia,zone=a stevedore run --runtime containerd --state-dir /var/lib/stevedore
  stevedore run --node-name gpu-1 --kubeconfig kubeconfig --namespace stevedore --config-map stevedore`;

const checkExamples = `
Examples:
  stevedore check config.yaml
  kubectl get configmap -n stevedore stevedore -o jsonpath='{.data.config\\.yaml}' | stevedore check -`;

const planExamples = `
Where an agent runs on the same state folder, it is asked for its plan; with --config, --label, --labels-file, --runtime,
--endpoint, --own-image or one of the options of a cluster on the command line the node is looked at with those instead: so a change
can be tried out.

Examples:
  stevedore plan
  stevedore plan --config new.yaml --label accelerator=nvidia
  stevedore plan --json | jq '.pulls[] | {reference, downloadBytes}'
  stevedore plan --json | jq '.prune.images[] | select(.decision.kind == "remove") | {names, freesBytes}'`;

const pullExamples = `
Where an agent runs on the same state folder, it does the pulling, with its own configuration and labels; Ctrl-C then only
stops the watching. Exit code 3 when a part of the images could not be pulled, 1 when none could.

Examples:
  stevedore pull --config config.yaml --label accelerator=nvidia
  stevedore pull --json | jq 'select(.kind == "failed")'`;

const pruneExamples = `
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

const uninstallExamples = `
Refuses while an agent runs on the state folder: exit code 4. Images stay, for they may be in use. A startup taint stays too: take the gate
out of the node group first. May be run again at any time; exit code 3 when a step failed, and all the others are done then.

Examples:
  stevedore uninstall
  stevedore uninstall --json | jq 'select(.kind == "failed_step")'`;
