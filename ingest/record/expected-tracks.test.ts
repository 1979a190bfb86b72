import { describe, expect, it } from 'vitest';
import { audioTrack, videoTrack } from '../media/media-event.ts';
import { ExpectedTracks } from './expected-tracks.ts';

const V = videoTrack(0);
const A = audioTrack(0);
const SECOND = 90_000;
const BOTH = new Map<string, unknown>([
  ['videocodecid', 7],
  ['audiocodecid', 10],
]);

describe('expected tracks', () => {
  it('are settled when all that the metadata promised have configured', () => {
    const tracks = new ExpectedTracks(SECOND);
    tracks.promise(BOTH);
    tracks.announce(A, true);
    expect(tracks.isSettled).toBe(false);
    tracks.announce(V, true);
    expect(tracks.isSettled).toBe(true);
  });

  it('are settled by one audio track where the metadata speaks of no video', () => {
    const tracks = new ExpectedTracks(SECOND);
    tracks.promise(new Map([['audiocodecid', 'mp4a']]));
    tracks.announce(A, true);
    expect(tracks.isSettled).toBe(true);
  });

  it('without metadata are settled by the first frame behind picture and sound', () => {
    const tracks = new ExpectedTracks(SECOND);
    tracks.announce(V, true);
    tracks.announce(A, true);
    tracks.announce(videoTrack(1), true);
    expect(tracks.isSettled).toBe(false);
    tracks.pass(500);
    expect(tracks.isSettled).toBe(true);
  });

  it('without metadata picture alone waits for a second of media', () => {
    const tracks = new ExpectedTracks(SECOND);
    tracks.announce(V, true);
    tracks.pass(500);
    tracks.pass(500 + SECOND - 1);
    expect(tracks.isSettled).toBe(false);
    tracks.pass(500 + SECOND);
    expect(tracks.isSettled).toBe(true);
  });

  it('a promise that is not kept holds nothing up for longer', () => {
    const tracks = new ExpectedTracks(SECOND);
    tracks.promise(BOTH);
    tracks.announce(A, true);
    tracks.pass(0);
    tracks.pass(SECOND);
    expect(tracks.isSettled).toBe(true);
  });

  it('a track whose first frame is still needed is waited for', () => {
    const tracks = new ExpectedTracks(SECOND);
    tracks.promise(BOTH);
    tracks.announce(V, true);
    tracks.announce(A, false);
    expect(tracks.isSettled).toBe(false);
    tracks.announce(A, true);
    expect(tracks.isSettled).toBe(true);
  });

  it('time alone settles nothing', () => {
    const tracks = new ExpectedTracks(SECOND);
    tracks.pass(0);
    tracks.pass(10 * SECOND);
    expect(tracks.isSettled).toBe(false);
  });
});
