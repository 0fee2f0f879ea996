import { Command, CommanderError, Option } from 'commander';
import { errorMessage } from '../core/failure.ts';
import { readBuildInfo } from '../ops/build-info.ts';
import { addCommonOptions, type CommonOptions, parseSettings } from './common-options.ts';
import type { CommandContext } from './context.ts';
import type { DoctorCommandOptions } from './doctor.ts';
import { exitCodes, toExitCode, UsageError } from './exit-codes.ts';
import * as help from './help-texts.ts';
import type { Settings } from '../settings.ts';
import type { WarmCommandOptions } from './warm.ts';
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
  program.addHelpText('after', help.root);

  // Subcommands take over the settings above, so they are made after them. Each loads its code when it is called: the agent
  // does without tables and progress bars for as long as it runs.
  program
    .command('run')
    .description('run the agent until SIGTERM or SIGINT')
    .addHelpText('after', help.run)
    .action(async () => {
      const { run } = await import('./run.ts');
      finish(await run(parseSettings(program.opts<CommonOptions>(), environment, 'info'), context));
    });
  program
    .command('check')
    .description('check a configuration file: all its mistakes at once; exit code 1 when there are any')
    .argument('[file]', "the file, - for standard input (default: --config's; in a cluster there is none)")
    .option('--team', "it is a team's text: imageSets alone, whose registries stand elsewhere")
    .option('--json', 'print JSON')
    .addHelpText('after', help.check)
    .action(async (file: string | undefined, { json = false, team = false }: JsonOption & { team?: boolean }) => {
      const settings = parseSettings(program.opts<CommonOptions>(), environment, 'error');
      const { check } = await import('./check.ts');
      finish(await check(file ?? defaultFile(settings), { json, team }, context));
    });
  program
    .command('plan')
    .description('show what would be pulled and removed on this node and why, and what would not; changes nothing')
    .option('--json', 'print JSON (schema: agent/core/plan.schema.json)')
    .addHelpText('after', help.plan)
    .action(async ({ json = false }: JsonOption) => {
      const options = program.opts<CommonOptions>();
      const { plan } = await import('./plan.ts');
      finish(await plan(parseSettings(options, environment, 'error'), options, json, context));
    });
  program
    .command('pull')
    .description('pull what is missing, once, and exit')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', help.pull)
    .action(async ({ json = false }: JsonOption) => {
      const options = program.opts<CommonOptions>();
      const { pull } = await import('./pull.ts');
      finish(await pull(parseSettings(options, environment, 'error'), options, json, context));
    });
  addPruneOptions(program.command('prune'))
    .description('remove images that nothing uses, once, and exit')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', help.prune)
    .action(async ({ json = false, ...asked }: JsonOption & PruneOptions) => {
      const options = program.opts<CommonOptions>();
      const order = parsePruneOrder(asked);
      const { prune } = await import('./prune.ts');
      finish(await prune(parseSettings(options, environment, 'error'), options, order, json, context));
    });
  program
    .command('warm')
    .description('make Harbor hold images behind its proxy-cache projects, before nodes ask for them')
    .argument('<image...>', 'what to warm')
    .addOption(
      new Option(
        '--platform <os/arch[/variant]>',
        "for nodes of that platform, repeatable (default: all of the cluster's nodes, without Kubernetes this machine's)",
      ).argParser(collect),
    )
    .option('--dry-run', 'only say what is cold')
    .option('--sizes', 'with --dry-run: read the manifests too, for their sizes; Harbor then fetches what is cold')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', help.warm)
    .action(async (images: readonly string[], options: WarmCommandOptions) => {
      const settings = parseSettings(program.opts<CommonOptions>(), environment, 'error');
      const { warm } = await import('./warm.ts');
      finish(await warm(settings, images, options, context));
    });
  program
    .command('doctor')
    .description(
      'check this node: runtime, disk, registries, Harbor, rights, policy; says what to do about what is wrong',
    )
    .option(
      '--host-root <dir>',
      "where the host's root filesystem is mounted, for what only the host shows (default: none)",
    )
    .option('--pull <image>', 'also pull this image by the runtime; it stays on the node (default: none)')
    .option('--json', 'print JSON')
    .addHelpText('after', help.doctor)
    .action(async (options: DoctorCommandOptions) => {
      const { doctor } = await import('./doctor.ts');
      finish(await doctor(parseSettings(program.opts<CommonOptions>(), environment, 'silent'), options, context));
    });
  program
    .command('uninstall')
    .description('take back what the agent left on this node: pins, leases, labels, condition, state')
    .option('--stay', 'afterwards wait for SIGTERM, if nothing failed')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', help.uninstall)
    .action(async ({ stay = false, json = false }: JsonOption & { readonly stay?: boolean }) => {
      const settings = parseSettings(program.opts<CommonOptions>(), environment, 'error');
      const { uninstall } = await import('./uninstall.ts');
      finish(await uninstall(settings, { stay, json }, context));
    });
  return program;
}

function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value];
}

/** @throws UsageError in a cluster */
function defaultFile({ cluster, configFile }: Settings): string {
  if (cluster === undefined) return configFile;
  const { namespace, configMap } = cluster;
  const pipe = `kubectl get configmap -n ${namespace} ${configMap} -o jsonpath='{.data.config\\.yaml}' | stevedore check -`;
  throw new UsageError(`check needs a file in a cluster; for the configuration in force: ${pipe}`);
}
