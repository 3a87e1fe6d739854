# The same steps as `make install`: the committed pip brings the locked uv, and uv what requirements.lock names.
FROM python:3.11-slim-bookworm AS builder
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy
WORKDIR /src
COPY tools/ tools/
COPY pyproject.toml uv.lock requirements.lock ./
RUN python3 tools/bootstrap.py --only-uv \
    && python3 -m venv --without-pip /opt/branchline \
    && .venv/bin/uv pip sync --python /opt/branchline/bin/python --require-hashes requirements.lock
COPY LICENSE README.md ./
COPY streamer/ streamer/
RUN .venv/bin/uv pip install --python /opt/branchline/bin/python --no-deps .

FROM python:3.11-slim-bookworm
# Debian's stable release has one version of ffmpeg, mended in place: a pinned one would vanish from the archive.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ffmpeg \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/branchline --create-home branchline \
    && install --directory --owner=branchline /var/lib/branchline/library /var/lib/branchline/state
COPY --from=builder /opt/branchline /opt/branchline
ENV PATH=/opt/branchline/bin:$PATH \
    PYTHONUNBUFFERED=1
USER 10001
WORKDIR /var/lib/branchline
VOLUME ["/var/lib/branchline/library", "/var/lib/branchline/state"]
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["branchline", "serve", "--host", "0.0.0.0", "--port", "8080", "--library", "library", "--state", "state"]
