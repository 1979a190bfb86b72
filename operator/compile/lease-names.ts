/** Name of the Lease in the release's namespace by which one of its replicas leads. */
export const leaderLeaseName = (release: string): string => `${release}-operator`;
