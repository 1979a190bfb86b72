#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8';
import { banner } from './ingest/banner.ts';
import { parseArguments } from './ingest/config/argv.ts';
import { serveHelp } from './ingest/config/help.ts';
import { loadConfig } from './ingest/config/load.ts';
import { nearest } from './ingest/config/nearest.ts';
import { openLog, standardOutput } from './ingest/observe/log.ts';
import { Fault } from './ingest/runtime/fault.ts';
import type { Log } from './ingest/runtime/log.ts';
import packageJson from './package.json' with { type: 'json' };

// Read once, before the first asynchronous use of the pool: a disk that stalls every write for a second must leave threads for the others.
process.env.UV_THREADPOOL_SIZE ??= '16';

/** Ctrl+C under npm arrives twice, from the terminal and from npm. What follows this soon is the same wish. */
const SAME_SIGNAL_MS = 300;

const COMMANDS: Record<string, { readonly help: string; run(argv: readonly string[]): Promise<void> }> = {
  serve: { help: 'take live video over RTMP, relay it and record it', run: runServe },
  operator: { help: 'run a pool of ingest pods on Kubernetes from LiveStream resources', run: runOperator },
};

class UsageFault extends Fault {}

async function main([command, ...rest]: readonly string[]): Promise<void> {
  if (command === undefined || ['help', '--help', '-help', '-h'].includes(command)) return print(overview());
  if (['--version', '-version', 'version'].includes(command)) return print(`${packageJson.version}\n`);
  const known = COMMANDS[command];
  if (known !== undefined) return known.run(rest);
  const advice = command.startsWith('-')
    ? `flags come after a command: headwater serve ${[command, ...rest].join(' ')}`
    : `the nearest is ${nearest(command, Object.keys(COMMANDS))}; headwater --help lists all`;
  throw new UsageFault('ERR_CLI_COMMAND', `there is no command ${JSON.stringify(command)}: ${advice}`);
}

function overview(): string {
  const commands = Object.entries(COMMANDS).map(([name, { help }]) => `  ${name.padEnd(10)}${help}\n`);
  return `headwater ${packageJson.version}: ${packageJson.description}\n
usage: headwater COMMAND [flags]\n\n${commands.join('')}\nheadwater COMMAND --help lists its flags.\n`;
}

async function runServe(argv: readonly string[]): Promise<void> {
  // Media lies outside of V8's heap, which is small: left alone, V8 collects all of it twice a second for every few megabytes of media
  // that were kept for a moment, a third of what recording costs. So the heap may grow to three times what lives in it.
  setFlagsFromString('--heap-growing-percent=200');
  const { special } = parseArguments(argv);
  if (special.has('help')) return print(serveHelp());
  if (special.has('version')) return print(`${packageJson.version}\n`);
  const isTerminal = process.stdout.isTTY === true;
  const config = await loadConfig({ argv, env: process.env, cwd: process.cwd(), isTerminal });
  const output = standardOutput();
  const { log, flush } = openLog(config.log, output, isTerminal && process.env.NO_COLOR === undefined);
  const life = new ProcessLife(log, flush);

  const { serve } = await import('./ingest/serve.ts');
  try {
    const server = await serve(config, log, packageJson.version);
    if (config.log.format === 'pretty') output.write(`\n${banner(config, server.ports, packageJson.version)}\n`);
    life.onStop = () => {
      server.stop().then(
        () => life.end(0),
        (error) => {
          log.error({ err: error }, 'the stop was not clean');
          life.end(1);
        },
      );
    };
  } catch (error) {
    flush();
    throw error;
  }
}

async function runOperator(argv: readonly string[]): Promise<void> {
  // What it reads is kept or gone at once. Left alone, V8 gives the young more than a hundred megabytes in a burst and keeps them.
  setFlagsFromString('--semi-space-growth-factor=1');
  const { operatorHelp, parseOperatorArguments } = await import('./operator/config/load.ts');
  const { special } = parseOperatorArguments(argv);
  if (special.has('help')) return print(operatorHelp());
  if (special.has('version')) return print(`${packageJson.version}\n`);
  const { operate, prepare } = await import('./operator/run.ts');
  const isTerminal = process.stdout.isTTY === true;
  const { config, access } = await prepare({ argv, env: process.env, cwd: process.cwd(), isTerminal });
  const { log, flush } = openLog(config.log, standardOutput(), isTerminal && process.env.NO_COLOR === undefined);
  const life = new ProcessLife(log, flush);
  try {
    if (special.has('release-streams')) {
      const { releaseStreams } = await import('./operator/release-streams.ts');
      await releaseStreams(config, access, log);
      return life.end(0);
    }
    const operator = await operate(config, access, log, packageJson.version);
    life.onStop = () => operator.stop();
    await operator.ended;
    life.end(0);
  } catch (error) {
    log.error({ err: error }, 'operator ends');
    flush();
    throw error;
  }
}

/** How a process that runs until it is told to stop ends. */
class ProcessLife {
  readonly #log: Log;
  readonly #flush: () => void;
  #firstSignalAt: number | undefined;
  /** What the first signal does. Before it is set there is nothing to finish. */
  onStop: () => void = () => this.end(0);

  constructor(log: Log, flush: () => void) {
    this.#log = log;
    this.#flush = flush;
    process.on('uncaughtException', (error) => {
      log.error({ err: error }, 'stopping: unexpected error');
      this.end(1);
    });
    process.on('SIGINT', () => this.#signalled('SIGINT', 130));
    process.on('SIGTERM', () => this.#signalled('SIGTERM', 143));
  }

  end(status: number): never {
    this.#flush();
    process.exit(status);
  }

  #signalled(signal: string, status: number): void {
    if (this.#firstSignalAt !== undefined) {
      if (performance.now() - this.#firstSignalAt < SAME_SIGNAL_MS) return;
      this.#log.warn({ signal }, 'stopping at once: what is on disk is kept');
      this.end(status);
    }
    this.#firstSignalAt = performance.now();
    this.#log.info({ signal }, 'stopping; a second signal stops at once');
    this.onStop();
  }
}

function print(text: string): void {
  process.stdout.write(text);
}

/** A sentence for people, with the code that docs/errors.md explains. What is no foreseen fault is shown whole. */
function explain(error: unknown): string {
  if (error instanceof Fault) {
    const lines = error.message.replace(`${error.code}: `, '').split('\n');
    return `${lines.map((line) => `headwater: ${line}\n`).join('')}(${error.code}; docs/errors.md)\n`;
  }
  const { code, message } = error as NodeJS.ErrnoException;
  if (code !== undefined && /^E[A-Z]+$/.test(code)) return `headwater: ${message}\n`;
  return `headwater: unexpected error\n${error instanceof Error ? error.stack : String(error)}\n`;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(explain(error));
  const isUsage = error instanceof UsageFault || (error instanceof Fault && error.code.startsWith('ERR_CONFIG_'));
  // exitCode would wait for whatever a half-started server left open.
  process.exit(isUsage ? 2 : 1);
}
