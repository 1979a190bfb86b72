import type { Config } from './config/schema.ts';
import type { LifecycleFeed } from './observe/lifecycle-feed.ts';
import type { Recording } from './recording.ts';
import type { Hub } from './relay/hub.ts';
import type { DedicatedPorts } from './serve/dedicated-ports.ts';
import type { Route } from './serve/http-server.ts';
import { internalRoute } from './serve/internal-route.ts';
import { PodReports } from './serve/pod-reports.ts';
import type { StreamMeters } from './serve/stream-meters.ts';
import type { Streams } from './streams.ts';

/** What a pod reports of. */
export interface ReportedParts {
  readonly config: Config;
  readonly hub: Hub;
  readonly feed: LifecycleFeed;
  readonly meters: StreamMeters;
  readonly recording: Recording | undefined;
  readonly dedicatedPorts: DedicatedPorts;
}

/** What a pod tells the operator of its pool, and where it is asked; undefined without a pool. */
export function podReporting(
  streams: Streams,
  { config, hub, feed, meters, recording, dedicatedPorts }: ReportedParts,
): { readonly reports: PodReports; readonly routes: readonly Route[] } | undefined {
  const { pod, set, tombstones } = streams;
  if (pod === undefined) return undefined;
  const reports = new PodReports({
    pod: pod.podName,
    spoolPersistent: config.cluster.spoolPersistent,
    isDraining: () => streams.isDraining,
    meterOf: (pub) => meters.of(pub),
    recorded: () => recording?.reports.owners ?? [],
    recordings: (uid) => recording?.reports.reports(uid) ?? new Map(),
    ...{ set, tombstones, hub, feed, dedicatedPorts },
  });
  const route = internalRoute(
    reports,
    () => tombstones.finished,
    () => streams.relayKey,
  );
  return { reports, routes: [route] };
}
