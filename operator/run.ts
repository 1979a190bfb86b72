import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ConfigSources } from '../ingest/config/load.ts';
import { Metrics } from '../ingest/observe/metrics.ts';
import type { Log } from '../ingest/runtime/log.ts';
import type { ApiAccess } from '../kube/api-access.ts';
import { findAccess, KubeClient } from '../kube/client.ts';
import { LeaderElector } from '../kube/leader-elector.ts';
import { leaderLeaseName } from './compile/lease-names.ts';
import { loadOperatorConfig } from './config/load.ts';
import type { OperatorConfig } from './config/settings.ts';
import { Controllers } from './controllers.ts';
import { HealthServer } from './health.ts';
import { PoolClaim } from './pool-claim.ts';

/** An operator that runs. */
export interface RunningOperator {
  readonly ports: { readonly metrics?: number };
  /** Resolves when it has stopped in good order. Rejects when it lost its Lease or the pool: the process must end. */
  readonly ended: Promise<void>;
  /** Lets what is under way end, and leaves the Lease free for the next leader. */
  stop(): void;
}

const LOOK_MS = 15_000;

/** What an operator needs to begin. @throws Fault ERR_CONFIG_…, KubeError ERR_KUBE_CONFIG */
export async function prepare(sources: ConfigSources): Promise<{ config: OperatorConfig; access: ApiAccess }> {
  let access: ApiAccess | undefined;
  const config = await loadOperatorConfig(sources, async (kubeconfig) => {
    access = await findAccess(kubeconfig, sources.env as NodeJS.ProcessEnv);
    return access.namespace;
  });
  return { config, access: access ?? (await findAccess(config.kubeconfig, sources.env as NodeJS.ProcessEnv)) };
}

/** Which metrics an operator has. */
const isOperators = (name: string): boolean =>
  !name.startsWith('headwater_') || /^headwater_(kube|operator|event_loop)_/.test(name);

/**
 * Starts a replica: it fills its caches at once, and works when it leads.
 * @throws Fault ERR_LISTEN
 */
export async function operate(
  config: OperatorConfig,
  access: ApiAccess,
  log: Log,
  version: string,
): Promise<RunningOperator> {
  await using stack = new AsyncDisposableStack();
  const metrics = stack.use(new Metrics(isOperators));
  const { requestsPerSecond, burst } = config.api;
  const client = stack.use(
    new KubeClient({ access, userAgent: `headwater-operator/${version}`, requestsPerSecond, burst, meter: metrics }),
  );
  const elector = new LeaderElector({
    client,
    namespace: config.namespace,
    name: leaderLeaseName(config.release),
    // A process that was started anew under the same name must not take itself for the one before.
    identity: `${config.identity}_${randomBytes(4).toString('hex')}`,
    log,
  });
  client.guardWith(elector.guard);
  const claim = new PoolClaim({
    client,
    runtimeNamespace: config.runtimeNamespace,
    pool: config.pool.name,
    holder: `${config.namespace}/${config.release}`,
    log,
  });
  const controllers = new Controllers(config, client, log, metrics);
  metrics.gauge('headwater_operator_leading', () => Number(elector.isLeading));
  const health = stack.use(
    new HealthServer({
      notReady: () => {
        if (claim.takenBy !== undefined) return `the pool ${config.pool.name} is held by ${claim.takenBy}`;
        return controllers.world.hasSynced ? undefined : 'the API server has not been read yet';
      },
      metrics: async () => ({ contentType: metrics.contentType, body: await metrics.text() }),
    }),
  );
  const { listen } = config.metrics;
  const port = listen === null ? undefined : await health.listen(listen, log);
  const { identity, release, namespace, runtimeNamespace } = config;
  log.info(
    { version, identity, release, namespace, runtimeNamespace, pool: config.pool.name, port },
    'operator started',
  );

  const stopping = new AbortController();
  const running = stack.move();
  const ended = run(controllers, elector, claim, log, stopping.signal).finally(async () => {
    stopping.abort();
    await running.disposeAsync();
  });
  return {
    ports: port === undefined ? {} : { metrics: port },
    ended,
    stop: () => stopping.abort(),
  };
}

/** Until `stopped`: watches, waits for its turn, works. @throws KubeError ERR_KUBE_LEADERSHIP_LOST, Fault ERR_POOL_TAKEN */
async function run(
  controllers: Controllers,
  elector: LeaderElector,
  claim: PoolClaim,
  log: Log,
  stopped: AbortSignal,
): Promise<void> {
  const watching = new AbortController();
  const watched = controllers.watch(watching.signal);
  const waiting = new AbortController();
  void lookAround(claim, log, AbortSignal.any([waiting.signal, stopped]));
  try {
    await elector.run(stopped, async (signal) => {
      waiting.abort();
      await claim.acquire(signal);
      if (signal.aborted) return;
      // Whichever ends first by an error ends the other too.
      const own = new AbortController();
      const both = AbortSignal.any([signal, own.signal]);
      const work = controllers.lead(both);
      await Promise.all([work, claim.keep(both)]).finally(async () => {
        own.abort();
        await work.catch(() => {});
      });
    });
  } finally {
    watching.abort();
    await watched;
  }
}

/** A replica that does not lead says so as well where the pool is another release's. */
async function lookAround(claim: PoolClaim, log: Log, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await claim.look(signal).catch((error: unknown) => {
      if (!signal.aborted) log.info({ err: error }, 'other releases cannot be seen');
    });
    await delay(LOOK_MS, undefined, { signal }).catch(() => {});
  }
}
