# The dependencies that the server runs with: by the lock file, no install scripts, no development tools.
FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts

# Node 24 runs the TypeScript as it is: nothing is built. `npm run image` makes a smaller image, without Docker.
FROM node:24-bookworm-slim
RUN install -d -o 10001 -g 10001 /data
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE cli.ts ./
COPY crds ./crds
COPY ingest ./ingest
COPY kube ./kube
COPY operator ./operator

# A user without rights. The root file system may be read-only: only /data is written to, recordings or spool.
USER 10001:10001
ENV NODE_ENV=production
WORKDIR /data
VOLUME ["/data"]
EXPOSE 1935/tcp 10080/udp 8080/tcp 9090/tcp
STOPSIGNAL SIGTERM
# No shell: signals reach the server.
ENTRYPOINT ["node", "/app/cli.ts"]
# No settings in the environment: they would count before a configuration file.
CMD ["serve", "--metrics-addr", ":9090"]
