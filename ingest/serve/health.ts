import type { Route } from './http-server.ts';

/** What the probes ask. */
export interface Health {
  isReady(): boolean;
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>;
}

/** `/healthz` (the event loop answers), `/readyz` (listeners open, not draining; never the store or the spool's level), `/metrics`. */
export function healthRoute(health: Health): Route {
  return async (_request, response, url) => {
    switch (url.pathname) {
      case '/healthz':
        response.writeHead(200, { 'content-type': 'text/plain' }).end('ok\n');
        return true;
      case '/readyz': {
        const ready = health.isReady();
        response.writeHead(ready ? 200 : 503, { 'content-type': 'text/plain' }).end(ready ? 'ok\n' : 'not ready\n');
        return true;
      }
      case '/metrics': {
        const { contentType, body } = await health.metrics();
        response.writeHead(200, { 'content-type': contentType }).end(body);
        return true;
      }
      default:
        return false;
    }
  };
}
