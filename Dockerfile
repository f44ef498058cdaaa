# Builds rowcast with the toolchain of rust-toolchain.toml and keeps the binary only.

FROM rust:1.95.0-slim-bookworm AS build
# librdkafka, zstd, curl and OpenSSL are built from the sources that their crates bring.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends cmake g++ make perl \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
# The image's own toolchain; without this, rustup would fetch the file's further components.
ENV RUSTUP_TOOLCHAIN=1.95.0
COPY . .
RUN cargo build --release --locked --workspace --bin rowcast \
 && strip --strip-all --output=/rowcast target/release/rowcast

# glibc and libgcc and nothing else: no shell, no package manager. `nonroot` is user 65532.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /rowcast /usr/local/bin/rowcast
USER nonroot
ENTRYPOINT ["/usr/local/bin/rowcast"]
