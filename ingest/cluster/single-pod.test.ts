import { describe, expect, it } from 'vitest';
import { SinglePod } from './single-pod.ts';

describe('SinglePod', () => {
  it('orders the publications of a path, also within one second and when the clock goes back', () => {
    let now = 1000;
    const pod = new SinglePod(() => now);
    const epochs = [pod.claim('live/a').epoch, pod.claim('live/a').epoch];
    now = 900;
    epochs.push(pod.claim('live/a').epoch);
    now = 5000;
    epochs.push(pod.claim('live/a').epoch);
    expect(epochs).toEqual([1000, 1001, 1002, 5000]);
  });

  it('goes on above what an earlier process used', () => {
    const pod = new SinglePod(() => 1000);
    pod.seen('live/a', 1500);
    expect(pod.claim('live/a').epoch).toBe(1501);
    expect(pod.claim('live/b').epoch).toBe(1000);
  });

  it('gives every publication a name of its own, safe in file names and keys', () => {
    const pod = new SinglePod();
    const pubs = Array.from({ length: 1000 }, () => pod.claim('live/a').pub);
    expect(new Set(pubs).size).toBe(1000);
    for (const pub of pubs) expect(pub).toMatch(/^[a-z2-7]{8}$/);
  });
});
