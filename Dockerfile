# A goop rendezvous server. The disk of a container does not last, so give it a volume at /data, or its identity by GOOP_IDENTITY_KEY or
# GOOP_IDENTITY_KEY_FILE. Settings come from the environment (GOOP_SECTION__KEY; see config.example.toml) or from /data/goop.toml.
#
#   docker build -t goop .
#   docker run -d --name goop -p 8787:8787 -v goop:/data goop
#   docker exec goop goop status

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin goop

FROM debian:bookworm-slim
# Certificates, for a peer that joins servers over https.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin goop \
 && install -d -m 700 -o goop -g goop /data
COPY --from=build /src/target/release/goop /usr/local/bin/goop
USER 10001
ENV GOOP_DATA=/data
VOLUME /data
EXPOSE 8787
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=5s CMD ["goop", "status"]
ENTRYPOINT ["goop"]
CMD ["run", "--rendezvous-only", "--bind", "0.0.0.0"]
