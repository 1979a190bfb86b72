# The dependencies that the server runs with: by the lock file, no install scripts, no development tools.
FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts

# Node 24 runs the TypeScript as it is: nothing is built.
FROM node:24-bookworm-slim
RUN install -d -o 10001 -g 10001 /data
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE cli.ts ./
COPY ingest ./ingest

# A user without rights. The root file system may be read-only: only /data is written to, recordings or spool.
USER 10001:10001
ENV NODE_ENV=production \
    HEADWATER_STORE=file:///data/recordings \
    HEADWATER_METRICS_ADDR=:9090 \
    HEADWATER_LOG_FORMAT=json
VOLUME ["/data"]
EXPOSE 1935/tcp 10080/udp 8080/tcp 9090/tcp
STOPSIGNAL SIGTERM
# No shell: signals reach the server, and none is needed in the image.
ENTRYPOINT ["node", "cli.ts"]
CMD ["serve"]
