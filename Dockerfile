# syntax=docker/dockerfile:1
# One image for every role: `stepwell serve`, `stepwell worker`, `stepwell up`.

FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
# Registry and target folder are kept between builds; the binary leaves them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked --bin stepwell \
    && cp target/release/stepwell /usr/local/bin/stepwell

FROM debian:bookworm-slim
# Roots for TLS to AWS; curl for the health check.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/stepwell --create-home stepwell
COPY --from=build /usr/local/bin/stepwell /usr/local/bin/stepwell
COPY state-machines /etc/stepwell/state-machines
# A volume mounted here takes its owner from this folder.
USER stepwell
WORKDIR /var/lib/stepwell
ENV STEPWELL_DATA=/var/lib/stepwell \
    STEPWELL_STATE_MACHINES=/etc/stepwell/state-machines
EXPOSE 8083
ENTRYPOINT ["stepwell"]
CMD ["serve"]
