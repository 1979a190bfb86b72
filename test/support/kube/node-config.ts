import { join } from 'node:path';
import { CNI_PLUGINS } from '../../setup/apt-tools.ts';
import { NODE_IMAGES } from '../../setup/kube/build.ts';

/** Names and addresses of the node; nothing of this machine has them. */
export const NODE = {
  name: 'node1',
  /** Bridge with the node's address: loopback cannot be one, and another interface is none of ours. */
  bridge: 'hwnode0',
  address: '10.250.0.1',
  /** Bridge of the pods. */
  podBridge: 'hwpods0',
  podCidr: '10.244.0.0/24',
  dnsAddress: '10.96.0.10',
} as const;

/** containerd of its own: nothing of the system's is used, or seen. */
export function containerdConfig(dir: string): string {
  const unused = ['snapshotter.v1.aufs', 'snapshotter.v1.btrfs', 'snapshotter.v1.zfs', 'snapshotter.v1.devmapper'];
  const disabled = [...unused, 'internal.v1.opt', 'tracing.processor.v1.otlp'].map((name) => `"io.containerd.${name}"`);
  return `
version = 2
root = "${join(dir, 'root')}"
state = "${join(dir, 'state')}"
disabled_plugins = [${disabled.join(', ')}]
[grpc]
  address = "${join(dir, 'containerd.sock')}"
[ttrpc]
  address = "${join(dir, 'containerd.sock.ttrpc')}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${NODE_IMAGES.pause}"
  # Without CAP_SYS_RESOURCE nothing may lower its oom_score_adj, and runc dies of the attempt.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${CNI_PLUGINS}"
    conf_dir = "${join(dir, 'cni')}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
`;
}

/** Pods reach each other and the node, and nothing else: there is no way out. */
export function podNetworkConfig(dir: string): object {
  const ranges = [[{ subnet: NODE.podCidr }]];
  const ipam = { type: 'host-local', dataDir: join(dir, 'ipam'), ranges, routes: [{ dst: '0.0.0.0/0' }] };
  const bridge = { type: 'bridge', bridge: NODE.podBridge, isGateway: true, ipMasq: false, hairpinMode: true, ipam };
  const ports = { type: 'portmap', capabilities: { portMappings: true } };
  return { cniVersion: '1.0.0', name: 'headwater-test', plugins: [bridge, ports] };
}

export function kubeletConfig(dir: string, ca: string, containerdSocket: string): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    containerRuntimeEndpoint: `unix://${containerdSocket}`,
    failCgroupV1: false,
    cgroupDriver: 'cgroupfs',
    failSwapOn: false,
    address: NODE.address,
    authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: ca } },
    authorization: { mode: 'Webhook' },
    clusterDNS: [NODE.dnsAddress],
    clusterDomain: 'cluster.local',
    resolvConf: join(dir, 'resolv.conf'),
    imageGCHighThresholdPercent: 100,
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    volumePluginDir: join(dir, 'volume-plugins'),
    podLogsDir: join(dir, 'pod-logs'),
    healthzBindAddress: '127.0.0.1',
    syncFrequency: '10s',
    nodeStatusUpdateFrequency: '5s',
    // A container that is killed again and again is started again and again, and not after minutes.
    crashLoopBackOff: { maxContainerRestartPeriod: '1s' },
  };
}

export function kubeProxyConfig(kubeconfig: string): object {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    clientConnection: { kubeconfig },
    clusterCIDR: NODE.podCidr,
    hostnameOverride: NODE.name,
    bindAddress: NODE.address,
    healthzBindAddress: '127.0.0.1:10256',
    metricsBindAddress: '127.0.0.1:10249',
    conntrack: { maxPerCore: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  };
}

const COREFILE = `.:53 {
  errors
  health :8080
  ready :8181
  kubernetes cluster.local in-addr.arpa {
    pods insecure
  }
  cache 5
}
`;

/** CoreDNS as a Deployment with what it may read. */
export function coreDns(): string {
  const namespace = 'kube-system';
  const name = 'coredns';
  const labels = { 'k8s-app': 'kube-dns' };
  const probe = (path: string, port: number) => ({ httpGet: { path, port }, periodSeconds: 1 });
  const container = {
    name,
    image: NODE_IMAGES.coredns,
    imagePullPolicy: 'Never',
    args: ['-conf', '/etc/coredns/Corefile'],
    readinessProbe: probe('/ready', 8181),
    volumeMounts: [{ name: 'config', mountPath: '/etc/coredns' }],
  };
  const rbac = 'rbac.authorization.k8s.io';
  const list = ['list', 'watch'];
  const objects = [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRole',
      metadata: { name: 'system:coredns' },
      rules: [
        { apiGroups: [''], resources: ['endpoints', 'services', 'pods', 'namespaces'], verbs: list },
        { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: list },
      ],
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: 'system:coredns' },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'system:coredns' },
      subjects: [{ kind: 'ServiceAccount', name, namespace }],
    },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data: { Corefile: COREFILE } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace, labels },
      spec: {
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            serviceAccountName: name,
            dnsPolicy: 'Default',
            containers: [container],
            volumes: [{ name: 'config', configMap: { name } }],
          },
        },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'kube-dns', namespace, labels },
      spec: {
        clusterIP: NODE.dnsAddress,
        selector: labels,
        ports: [
          { name: 'dns', port: 53, protocol: 'UDP' },
          { name: 'dns-tcp', port: 53, protocol: 'TCP' },
        ],
      },
    },
  ];
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
}
