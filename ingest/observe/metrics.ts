import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { type CounterName, type GaugeName, type HistogramName, METRICS, type Meter } from '../runtime/meter.ts';

/** Upper bounds in seconds: from an idle NVMe disk to a stalled network disk; from a store in the same rack to an outage. */
const BUCKETS: { readonly [N in HistogramName]: readonly number[] } = {
  headwater_fragment_sync_seconds: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
  headwater_operator_programming_seconds: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60],
  headwater_upload_confirm_seconds: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800],
};

/** How often the event loop's delay is measured, in ms. Node counts the interval itself as part of the delay. */
const DELAY_RESOLUTION_MS = 20;
const NS_PER_SECOND = 1e9;
const NS_PER_MS = 1e6;

/** The metrics of `METRICS`, and Node's and the process's own, for a Prometheus server to read. */
export class Metrics implements Meter, Disposable {
  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;
  readonly #registry = new Registry();
  readonly #counters = new Map<CounterName, Counter>();
  readonly #histograms = new Map<HistogramName, Histogram>();
  readonly #gauges = new Set<GaugeName>();
  readonly #loopDelay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });

  /** `isOurs`: which metrics this process has; those of another kind of process would stand at 0 for ever. */
  constructor(isOurs: (name: string) => boolean = (name) => !name.startsWith('headwater_operator_')) {
    // Its own measurement of the event loop wakes the process as often as this says; ours is the one that is read.
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: 1_000 });
    for (const [name, { type, help, label }] of Object.entries(METRICS)) {
      if (!isOurs(name)) continue;
      const options = { name, help, labelNames: label === null ? [] : [label], registers: [this.#registry] };
      if (type === 'counter') this.#counters.set(name as CounterName, new Counter(options));
      if (type === 'histogram') {
        const buckets = [...BUCKETS[name as HistogramName]];
        this.#histograms.set(name as HistogramName, new Histogram({ ...options, buckets }));
      }
    }
    this.#loopDelay.enable();
    this.gauge('headwater_event_loop_delay_seconds', () => this.#takeLoopDelay());
  }

  count(name: CounterName, label: string | null = null, by = 1): void {
    const key = METRICS[name].label;
    const counter = this.#counters.get(name)!;
    if (key === null || label === null) counter.inc(by);
    else counter.inc({ [key]: label }, by);
  }

  observe(name: HistogramName, value: number): void {
    this.#histograms.get(name)!.observe(value);
  }

  gauge(name: GaugeName, read: () => number | ReadonlyMap<string, number>): void {
    if (this.#gauges.has(name)) this.#registry.removeSingleMetric(name);
    this.#gauges.add(name);
    const { help, label } = METRICS[name];
    new Gauge({
      name,
      help,
      labelNames: label === null ? [] : [label],
      registers: [this.#registry],
      collect() {
        const value = read();
        this.reset();
        if (typeof value === 'number') this.set(value);
        else for (const [labelValue, one] of value) this.set({ [label!]: labelValue }, one);
      },
    });
  }

  /** All of it in the Prometheus text format. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  [Symbol.dispose](): void {
    this.#loopDelay.disable();
    this.#registry.clear();
  }

  /** Seconds; the measurement starts anew. */
  #takeLoopDelay(): number {
    const p99 = this.#loopDelay.percentile(99) - DELAY_RESOLUTION_MS * NS_PER_MS;
    this.#loopDelay.reset();
    return Math.max(0, p99) / NS_PER_SECOND;
  }
}
