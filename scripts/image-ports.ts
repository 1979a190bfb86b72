import { PORTS } from '../crds/names.ts';

/** The ports that an image names, as in `EXPOSE`. */
export const IMAGE_PORTS: readonly string[] = [
  `${PORTS.rtmp}/tcp`,
  `${PORTS.srt}/udp`,
  `${PORTS.http}/tcp`,
  `${PORTS.internal}/tcp`,
];
