import type { Server } from './server.ts';
import { waitFor } from './wait-for.ts';

/**
 * Waits until a path has had so many viewers. Gives how many pictures its publisher had sent by then: whoever starts with a later one was
 * made to wait for a keyframe.
 */
export async function picturesBeforeViewer(server: Server, path: string, viewers: number): Promise<number> {
  await waitFor(`viewer ${viewers} of ${path}`, () => {
    return server.log.all('Subscriber added', { stream_key: path }).length >= viewers;
  });
  const view = await server.stream(path);
  return view!.tracks.find(({ kind }) => kind === 'video')!.frames;
}
